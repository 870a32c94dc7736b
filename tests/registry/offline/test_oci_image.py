"""Assembling images in a registry."""

import io
import tarfile

import msgspec

from dockyard.engine.discovery import architecture
from dockyard.registry.image_catalog import Image, by_reference
from dockyard.registry.offline import oci_image
from dockyard.registry.verify import is_complete, is_current, origin
from tests.registry.samples import needs_docker_registry

pytestmark = needs_docker_registry
LABELS = {"by": "test"}
BORN = 1_700_000_000


def archive(folder, name):
    file = folder / f"{name}.tar"
    with tarfile.open(file, "w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 5000
        tar.addfile(entry, io.BytesIO(name[:1].encode() * 5000))
    return file


def names_in(file):
    with tarfile.open(file) as tar:
        return tar.getnames()


def entry(name, **settings):
    return msgspec.convert(
        {"name": name, "tags": ["1", "latest"], "purpose": "x", "megabytes": 1, **settings}, Image
    )


def pair(registry, folder, below, above):
    base = oci_image.store(registry, below, "amd64", BORN, LABELS, None, archive(folder, "low"))
    return base, oci_image.store(
        registry, above, "amd64", BORN, LABELS, base, archive(folder, "high")
    )


def test_an_image_has_the_layers_of_its_base_and_one_more(other, tmp_path):
    base, image = pair(other, tmp_path, entry("below"), entry("above"))
    assert image.layers[:-1] == base.layers
    for tag in ("1", "latest"):
        manifest = other.manifest("library/above", tag)
        assert manifest.document["layers"] == image.layers
        for blob in manifest.blobs():
            assert other.blob_size("library/above", blob["digest"]) == blob["size"]
    assert len(image.config["rootfs"]["diff_ids"]) == 2
    assert image.layers[-1]["size"] < 5000, "compressed"
    there = oci_image.StoredImage.load(other, "library/above", manifest)
    assert there == image
    (tmp_path / "out").mkdir()
    unpacked = there.unpack(other, tmp_path / "out")
    assert [names_in(file) for file in unpacked] == [["low"], ["high"]]


def test_settings_change_those_of_the_base_as_in_a_dockerfile(other, tmp_path):
    below = entry("below", cmd=["bash"], env=["A=1", "B=2"], expose=["80/tcp"], volumes=["/data"])
    above = entry(
        "above",
        entrypoint=["run"],
        env=["B=3"],
        expose=["81/tcp"],
        workdir="/x",
        stopsignal="SIGINT",
    )
    _, image = pair(other, tmp_path, below, above)
    assert image.config["config"] == {
        "Env": [oci_image.PATH, "A=1", "B=3"],
        "Labels": LABELS,
        "Entrypoint": ["run"],
        "ExposedPorts": {"80/tcp": {}, "81/tcp": {}},
        "Volumes": {"/data": {}},
        "WorkingDir": "/x",
        "StopSignal": "SIGINT",
    }
    layers = [step for step in image.config["history"] if not step.get("empty_layer")]
    assert len(layers) == 2
    assert image.config["history"][-1]["created_by"] == 'ENTRYPOINT ["run"]'


def test_the_same_files_give_the_same_image(other, tmp_path):
    digests = set()
    for _ in range(2):
        pair(other, tmp_path, entry("below"), entry("above"))
        digests.add(other.manifest("library/above", "1").digest)
    assert len(digests) == 1


def test_an_image_of_the_catalog_is_complete_and_current(other, tmp_path):
    image = by_reference()["busybox:latest"]
    labels = {"dockyard.origin": image.origin, "dockyard.recipe": image.recipe}
    arch = architecture()
    oci_image.store(other, image, arch, BORN, labels, None, archive(tmp_path, "one"))
    assert is_complete(other, image)
    assert is_current(other, image)
    assert origin(other, image) == image.origin
