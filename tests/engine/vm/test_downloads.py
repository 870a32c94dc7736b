from __future__ import annotations

import pytest

from dockyard.engine import system_packages
from dockyard.engine.vm import downloads

pytestmark = pytest.mark.skipif(
    system_packages.which("zstd") is None, reason="needs zstd: sudo apt-get install zstd"
)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A release with one artifact, in a folder of this host."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    artifact = tmp_path / "0123456789ab-linux"
    artifact.write_bytes(b"a kernel")
    release = tmp_path / "release"
    downloads.write([artifact], release, release.as_uri())
    monkeypatch.setattr(downloads, "TABLE", release / "published.toml")
    return release


def test_what_a_release_offers_is_fetched_and_checked(published, tmp_path):
    target = tmp_path / "target"
    assert downloads.fetch("0123456789ab-linux", target, print)
    assert target.read_bytes() == b"a kernel"
    assert target.stat().st_mode & 0o111


def test_what_a_release_does_not_offer_is_not_fetched(published, tmp_path):
    assert not downloads.fetch("ba9876543210-linux", tmp_path / "target", print)


@pytest.mark.parametrize("damage", ["missing", "other"])
def test_a_failed_or_wrong_download_says_so_and_is_built_instead(published, tmp_path, damage):
    packed = published / "0123456789ab-linux.zst"
    if damage == "missing":
        packed.unlink()
    else:
        text, known = downloads.TABLE.read_text(), downloads.table()["0123456789ab-linux"]
        downloads.TABLE.write_text(text.replace(known["sha256"], "0" * 64))
    said: list[str] = []
    target = tmp_path / "target"
    assert not downloads.fetch("0123456789ab-linux", target, said.append)
    assert "building it instead" in said[-1]
    assert not target.exists()
