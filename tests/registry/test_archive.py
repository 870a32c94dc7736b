"""The registry in one file."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import requests

from dockyard import registry
from dockyard.engine import engine_root
from dockyard.exceptions import RegistryError
from dockyard.registry import digests as recorded_digests
from dockyard.registry import server
from dockyard.registry.api import INDEXES, MANIFESTS
from dockyard.registry.image_catalog import by_reference, images
from tests.registry.samples import (
    command,
    damage,
    digest_of,
    digests,
    faults,
    needs_docker_registry,
    store_image,
    store_index,
)

pytestmark = needs_docker_registry


@pytest.fixture
def archive(other, tmp_path, other_storage, store_all):
    """All images of another registry in one file."""
    store_all(other_storage)
    store_index(other, images()[0])
    file = tmp_path / "course.tar"
    assert registry.export_archive(other, file) == len(by_reference())
    return file


def test_an_archive_carries_every_image_with_its_digest(own, other, archive):
    assert registry.import_archive(archive) == len(by_reference())
    assert digests(own) == digests(other)
    assert faults(registry.verify(own, recorded_digests.load())) == {}
    assert recorded_digests.load().keys() == by_reference().keys()
    assert server.WRITER.process() is None
    for image in images():
        for tag in image.tags:
            there, here = (reg.manifest(image.repository, tag) for reg in (other, own))
            assert (there.digest, there.media_type) == (here.digest, here.media_type)


def test_the_same_registry_gives_the_same_archive(other, archive, tmp_path):
    again = tmp_path / "again.tar"
    registry.export_archive(other, again)
    assert again.read_bytes() == archive.read_bytes()


def test_importing_repairs_replaced_tags_and_damaged_blobs(own, archive):
    registry.import_archive(archive)
    before = digests(own)
    with server.writer() as writer:
        store_image(writer, by_reference()["redis:8"], files="evil files")
    damage(own.manifest("library/httpd", "2.4").blobs()[-1]["digest"])
    damage(own.manifest("library/registry", "2").digest)
    registry.import_archive(archive)
    assert digests(own) == before
    assert faults(registry.verify(own, recorded_digests.load())) == {}


def test_an_archive_is_an_oci_layout_that_skopeo_reads(other, archive, tmp_path):
    # skopeo reads OCI manifests from a layout; those pushed by older engines are Docker's.
    manifest = store_image(other, by_reference()["busybox:latest"], kind=MANIFESTS[0])
    registry.export_archive(other, archive)
    (tmp_path / "layout").mkdir()
    # Not with tarfile: Debian 12's Python warns or knows no filter, depending on its release.
    subprocess.run(["tar", "-x", "-f", archive, "-C", tmp_path / "layout"], check=True)
    layout = f"oci:{tmp_path}/layout:library/busybox:latest"
    words = [engine_root.program("skopeo"), "inspect", "--raw", layout]
    raw = subprocess.run(words, capture_output=True, check=True).stdout
    assert digest_of(raw) == manifest.digest


@pytest.mark.parametrize("part", [0, 1, 700, 0.1, 0.5, 0.9, 0.97])
def test_a_truncated_archive_changes_nothing(own, archive, part):
    content = archive.read_bytes()
    archive.write_bytes(content[: int(part * len(content)) if part < 1 else part])
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(archive)
    assert catalog_of(own) == []


def catalog_of(reg):
    return requests.get(f"{reg.url}/v2/_catalog", timeout=30).json()["repositories"]


def test_an_archive_with_one_changed_byte_changes_nothing(own, archive):
    content = bytearray(archive.read_bytes())
    content[content.index(b"files of httpd")] ^= 1
    archive.write_bytes(content)
    with pytest.raises(RegistryError, match="does not have the digest"):
        registry.import_archive(archive)
    assert catalog_of(own) == []


def test_an_archive_that_lacks_a_blob_changes_nothing(own, archive, tmp_path):
    poorer = tmp_path / "poorer.tar"
    with tarfile.open(archive) as whole, tarfile.open(poorer, "w") as tar:
        blobs = [member for member in whole if member.name.startswith("blobs/")]
        left_out = max(blobs, key=lambda member: member.size)
        for member in whole.getmembers():
            if member is not left_out:
                tar.addfile(member, whole.extractfile(member))
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(poorer)
    assert catalog_of(own) == []


def test_a_foreign_file_is_refused(own, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_bytes(os.urandom(5000))
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(foreign)
    with tarfile.open(foreign, "w") as tar:
        tar.add(__file__, "README")
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(foreign)
    with pytest.raises(RegistryError, match="There is no file"):
        registry.import_archive(tmp_path / "nothing")
    assert catalog_of(own) == []


def tar_of(file, **contents):
    """A tar with an index.json and, by their digests, blobs."""
    with tarfile.open(file, "w") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(
                "index.json" if name == "index" else f"blobs/{digest_of(content).replace(':', '/')}"
            )
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def entry(content, name="library/busybox:latest", kind=MANIFESTS[0], **changes):
    return {
        "mediaType": kind,
        "digest": digest_of(content),
        "size": len(content),
        "annotations": {"org.opencontainers.image.ref.name": name},
    } | changes


def index_of(*entries):
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


MANIFEST = json.dumps(
    {"config": entry(b"{}"), "layers": [entry(b"layer")], "schemaVersion": 2}
).encode()
NESTED = b"[" * 1_000_000


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        NESTED,
        b'{"manifests": ' + NESTED,
        b'{"manifests": {}}',
        b'{"manifests": [1]}',
        b" " * 5_000_000,
        index_of({}),
        index_of(entry(MANIFEST, size=-1)),
        index_of(entry(MANIFEST, size=len(MANIFEST) + 1)),
        index_of(entry(MANIFEST, size="1")),
        index_of(entry(MANIFEST, digest=1)),
        index_of(entry(MANIFEST, digest="sha256:../../index.json")),
        index_of(entry(MANIFEST, digest=digest_of(b"another"))),
        index_of(entry(MANIFEST, annotations={})),
        index_of(entry(MANIFEST, name="busybox")),
        index_of(entry(MANIFEST, name="library/../../busybox:latest")),
        index_of(entry(MANIFEST, name="library/busybox:la/test?digest=1")),
        index_of(entry(MANIFEST, kind="text/html\r\nHost: elsewhere")),
        index_of(entry(MANIFEST), entry(b"{}")),
        index_of(entry(MANIFEST), entry(NESTED[:100_000])),
        index_of(entry(MANIFEST), entry(b"layer", kind=INDEXES[0])),
    ],
)
def test_a_hostile_index_changes_nothing(own, tmp_path, index):
    contents = {"index": index, "a": MANIFEST, "b": b"{}", "c": b"layer", "d": NESTED[:100_000]}
    file = tmp_path / "hostile.tar"
    tar_of(file, **contents)
    with pytest.raises(RegistryError, match="not a whole archive"):
        registry.import_archive(file)
    assert catalog_of(own) == []
    assert recorded_digests.load() == {}
    # With an index as it should be, the same file is imported.
    tar_of(file, **contents | {"index": index_of(entry(MANIFEST))})
    assert registry.import_archive(file) == 1


def test_a_fifo_a_folder_and_a_sparse_file_are_not_waited_for(own, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 1 << 42)
    sparse = tmp_path / "sparse.tar"
    subprocess.run(["tar", "-c", "-S", "-f", sparse, "-C", tmp_path, "huge"], check=True)
    for file in (tmp_path / "fifo", tmp_path, sparse, Path("/dev/zero")):
        with pytest.raises(RegistryError, match="not a whole archive"):
            registry.import_archive(file)
    assert catalog_of(own) == []


def test_a_header_that_claims_more_than_there_is_is_refused(own, tmp_path):
    file = tmp_path / "liar.tar"
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        member = tarfile.TarInfo("index.json")
        member.size, member.type = 1 << 60, kind
        file.write_bytes(member.tobuf() + b"\0" * 2048)
        with pytest.raises(RegistryError, match="not a whole archive"):
            registry.import_archive(file)
    assert catalog_of(own) == []


def test_an_incomplete_or_damaged_registry_is_not_exported(own, tmp_path, store_all):
    file = tmp_path / "course.tar"
    with pytest.raises(RegistryError, match="is not in the registry"):
        registry.export_archive(own, file)
    store_all(server.storage())
    damage(own.manifest("library/httpd", "2.4").blobs()[-1]["digest"])
    with pytest.raises(RegistryError, match="is damaged"):
        registry.export_archive(own, file)
    assert list(tmp_path.glob("*.tar*")) == []


def test_an_archive_that_cannot_be_written_is_named(other, tmp_path, other_storage, store_all):
    store_all(other_storage)
    with pytest.raises(RegistryError, match="No such file or directory"):
        registry.export_archive(other, tmp_path / "no" / "folder" / "course.tar")


def test_the_archive_commands_start_the_registry_for_as_long_as_they_need_it(
    own, archive, store_all
):
    store_all(server.storage())
    with server.writer() as writer:
        store_index(writer, images()[0])
    listed = command("list", "--json")
    assert listed.returncode == 0
    server.stop()
    shutil.rmtree(server.storage())
    empty = command("verify")
    assert empty.returncode == 1
    assert "python3 -m dockyard registry fill" in empty.stderr
    imported = command("import", str(archive), "--json")
    assert imported.returncode == 0, imported.stderr
    assert json.loads(imported.stdout) == {"file": str(archive), "tags": len(by_reference())}
    exported = command("export", str(archive), "--json")
    assert json.loads(exported.stdout) == json.loads(imported.stdout)
    assert command("list", "--json").stdout == listed.stdout
    assert command("verify").returncode == 0
    assert server.READER.process() is None
    assert server.WRITER.process() is None


@pytest.mark.parametrize("words", [["export"], ["list", "a-file"], ["import"], ["empty"]])
def test_a_wrong_word_is_a_usage_error(home, words):
    done = command(*words)
    assert done.returncode == 2
    assert done.stderr


def test_a_missing_archive_is_one_clear_line_and_the_next_command(home, tmp_path):
    done = command("import", str(tmp_path / "nothing.tar"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"There is no file {tmp_path}/nothing.tar."
    assert "registry export" in done.stderr
