"""Archives of engine roots: reproducible, noted in the table, checked when they are fetched."""

import os
import platform
import shutil
import subprocess
import threading
import tomllib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dockyard.engine import debian_archive, engine_root, root_archive
from dockyard.exceptions import DiskFull, InstallFailed
from tests.support.restricted_host import needs_root

URL = "https://example.org/release"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def tree(folder, names):
    """An engine root in small, whose files are made in this order."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\necho this is {name}\n")
        file.chmod(0o755 if "bin" in name else 0o644)
    (folder / "usr/sbin").mkdir()
    (folder / "usr/sbin/link").symlink_to("../bin/docker")
    return folder


NAMES = ["usr/bin/docker", "usr/lib/library.so", "bin/docker"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A copy of the table; what is noted in it is seen by engine_root."""
    copy = tmp_path / "engine_root.toml"
    shutil.copy(engine_root.TABLE, copy)
    monkeypatch.setattr(engine_root, "TABLE", copy)
    return copy


@pytest.fixture
def release(tmp_path, table, monkeypatch):
    """The archive of a small engine root, served by a local web server."""
    folder = tmp_path / "release"
    folder.mkdir()
    archive = folder / f"engine-root-{engine_root.recipe()}.tar.xz"
    root_archive.write(tree(tmp_path / "made", NAMES), archive)
    root_archive.note(table, platform.machine(), URL, engine_root.recipe(), archive)
    monkeypatch.setattr(engine_root, "_TABLE", tomllib.loads(table.read_text()))
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    handler = partial(QuietHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKYARD_RELEASE", f"http://127.0.0.1:{server.server_port}/")
        yield archive
        server.shutdown()


@pytest.fixture
def without_apt(monkeypatch):
    monkeypatch.setattr(debian_archive, "can_extract", lambda: False)


def left(home):
    return sorted(path.name for path in (home / "engine-root").iterdir())


def test_equal_files_give_equal_bytes(tmp_path):
    for name, order in (("one", NAMES), ("two", NAMES[::-1])):
        root_archive.write(tree(tmp_path / name, order), tmp_path / f"{name}.tar.xz")
        os.utime(tmp_path / "two" if name == "two" else tmp_path / "one", (0, 0))
    assert (tmp_path / "one.tar.xz").read_bytes() == (tmp_path / "two.tar.xz").read_bytes()


def test_the_table_names_the_archive_of_this_version_only(table, tmp_path, monkeypatch):
    (tmp_path / "archive").write_bytes(b"archive")
    for _ in range(2):  # noted again, it is there once
        root_archive.note(table, "x86_64", URL, "0123456789ab", tmp_path / "archive")
    noted = tomllib.loads(table.read_text())
    assert noted["version"] == engine_root.VERSION
    found = root_archive.published(noted, "x86_64", "0123456789ab")
    assert found.url == f"{URL}/engine-root-0123456789ab.tar.xz"
    assert found.size == 7
    assert root_archive.published(noted, "x86_64", "another one!") is None
    assert root_archive.published(noted, "riscv64", "0123456789ab") is None
    monkeypatch.setenv("DOCKYARD_RELEASE", "http://mirror/")
    found = root_archive.published(noted, "x86_64", "0123456789ab")
    assert found.url == "http://mirror/engine-root-0123456789ab.tar.xz"


def test_a_published_archive_is_taken_whether_there_is_apt_get_or_not(
    release, without_apt, tmp_path
):
    assert all(need.met for need in engine_root.needs())
    said = []
    root = engine_root.fetch(said.append)
    assert "from http://127.0.0.1:" in said[0]
    assert left(tmp_path / "home") == [root.name]
    done = subprocess.run([root / "usr/sbin/link"], capture_output=True, text=True, check=True)
    assert done.stdout == "this is usr/bin/docker\n"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"x"), "SHA-256 digest"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "bytes"),
        (lambda file: file.unlink(), "HTTP 404"),
    ],
    ids=["changed", "truncated", "absent"],
)
def test_a_damaged_archive_is_refused_and_nothing_is_left(
    release, without_apt, tmp_path, damage, said
):
    damage(release)
    with pytest.raises(InstallFailed) as caught:
        engine_root.fetch(print)
    assert said in caught.value.why
    assert len(str(caught.value).splitlines()) == 3
    assert left(tmp_path / "home") == []


def test_debians_packages_take_the_place_of_a_damaged_archive(release, tmp_path, monkeypatch):
    release.unlink()
    monkeypatch.setattr(debian_archive, "can_extract", lambda: True)
    monkeypatch.setattr(engine_root, "make", lambda part, say: (part / "made").touch())
    said = []
    assert (engine_root.fetch(said.append) / "made").exists()
    assert "Taking Debian's packages instead." in said[1]


@needs_root
def test_a_disk_that_becomes_full_is_reported_and_nothing_is_left(
    release, without_apt, tmp_path, monkeypatch
):
    monkeypatch.setattr(engine_root, "ROOM_NEEDED", 0)
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=7", "none", home], check=True)
    try:
        with pytest.raises(DiskFull) as caught:
            engine_root.fetch(print)
        assert "No space left" in caught.value.why
        assert len(str(caught.value).splitlines()) == 3
        assert left(home) == []
    finally:
        subprocess.run(["umount", home], check=True)
