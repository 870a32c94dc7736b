"""Debian root file systems."""

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from dockyard.engine.discovery import architecture
from dockyard.registry.image_catalog import ORIGIN, by_reference
from dockyard.registry.offline import debian_rootfs
from dockyard.registry.offline.mmdebstrap import on_host
from tests.registry.samples import read

pytestmark = pytest.mark.engine


@pytest.mark.slow
def test_a_root_file_system_made_again_is_the_same_image(filled, home):
    image = by_reference()["debian:trixie-slim"]
    manifest = filled.manifest(image.repository, image.tags[0])
    config = read(filled, image, manifest.document["config"])
    found = json.loads(config)["config"]["Labels"]
    if ORIGIN not in found:
        pytest.skip("Docker Hub has its own debian")
    home.mkdir()
    archive = debian_rootfs.make(image, architecture(), found, home, on_host)
    with tarfile.open(archive) as tar:
        again = gzip.decompress(tar.extractfile("layer.tar").read())
        name = json.load(tar.extractfile("manifest.json"))[0]["Config"]
        made = tar.extractfile(name).read()
    before = gzip.decompress(read(filled, image, manifest.document["layers"][0]))
    if packages_in(before) != packages_in(again):
        pytest.skip("Debian published other packages since the registry was filled")
    assert hashlib.sha256(again).digest() == hashlib.sha256(before).digest()
    assert made == config


def packages_in(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return tar.extractfile("./var/lib/dpkg/status").read()
