"""Debian root file systems."""

import hashlib
import io
import tarfile
import zlib

import pytest

from dockyard.engine.discovery import architecture
from dockyard.registry.image_catalog import by_reference
from dockyard.registry.offline import debian_rootfs
from dockyard.registry.offline.mmdebstrap import on_host
from dockyard.registry.verify import origin
from tests.registry.samples import read

pytestmark = pytest.mark.engine


@pytest.mark.slow
@pytest.mark.distributions
def test_a_root_file_system_made_again_is_the_same(filled, home):
    image = by_reference()["debian:trixie-slim"]
    if not origin(filled, image):
        pytest.skip("Docker Hub has its own debian")
    born = debian_rootfs.released(image.suite)
    root, lists = debian_rootfs.make(image, architecture(), born, home, on_host)
    manifest = filled.manifest(image.repository, image.tags[0])
    before = zlib.decompress(read(filled, image, manifest.document["layers"][0]), wbits=31)
    again = root.read_bytes()
    if packages_in(before) != packages_in(again):
        pytest.skip("Debian published other packages since the registry was filled")
    assert members(again) == members(before)
    assert hashlib.sha256(again).digest() == hashlib.sha256(before).digest()
    with tarfile.open(lists) as tar:
        assert any("Packages" in name for name in tar.getnames())


def members(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {
            one.name: (one.get_info(), tar.extractfile(one).read()[:4000] if one.isfile() else b"")
            for one in tar.getmembers()
        }


def packages_in(layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return tar.extractfile("./var/lib/dpkg/status").read()
