"""The OCI runtime for hosts where root does not have every capability."""

from dockyard.engine.oci_runtime import NAMES, missing_capabilities


def test_missing_capabilities_are_read_from_the_bounding_set(tmp_path):
    status = tmp_path / "status"
    status.write_text("CapBnd:\t000001fffeffffff\n")
    assert missing_capabilities(status) == ["SYS_RESOURCE"]
    status.write_text("CapBnd:\t000001ffffffffff\n")
    assert missing_capabilities(status) == []
    assert NAMES[24] == "SYS_RESOURCE"
