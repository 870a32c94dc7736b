"""The engine root: Docker of Debian forky, fetched and unpacked into the home."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from dockyard.core import paths
from dockyard.engine import debian_archive, engine_root
from dockyard.exceptions import DiskFull, InstallFailed
from tests.support.restricted_host import needs_root

needs_apt = pytest.mark.skipif(
    not debian_archive.can_extract(), reason="needs apt-get and the keys of Debian"
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    return tmp_path


def left_in(home):
    """What is left of a failed fetch."""
    return list((home / "engine-root").glob("*"))


@needs_apt
@pytest.mark.slow
def test_two_fetches_at_once_unpack_it_once(home):
    said = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: engine_root.fetch(said.append), range(2))
    assert first == second == engine_root.folder()
    assert len(said) == 2
    assert left_in(home) == [first]
    used = sum(path.lstat().st_blocks * 512 for path in first.rglob("*"))
    assert used < engine_root.ROOM_NEEDED
    assert not [path for path in first.rglob("*") if path.lstat().st_mode & 0o6000]
    done = subprocess.run(
        [first / "bin/docker", "--version"], capture_output=True, text=True, check=True
    )
    assert f"Docker version {engine_root.VERSION}" in done.stdout


@needs_apt
@pytest.mark.slow
def test_a_version_that_the_suite_no_longer_has_comes_from_a_snapshot(home, monkeypatch):
    """Debian's suite of today takes the place of the snapshot, an older suite that of today's."""
    monkeypatch.setattr(engine_root, "SNAPSHOT", debian_archive.mirror())
    asked = []
    download = engine_root._download_from

    def today(archive, scratch, log):
        asked.append(archive)
        monkeypatch.setattr(engine_root, "SUITE", "forky" if len(asked) > 1 else "bookworm")
        return download(archive, scratch, log)

    monkeypatch.setattr(engine_root, "_download_from", today)
    said = []
    found = engine_root._download(home / "scratch", said.append)
    assert any(package.name.startswith("docker.io_28.5.2") for package in found)
    assert len(asked) == 2
    assert "has gone on" in said[0]


@pytest.fixture
def bare_host(tmp_path):
    """A root file system with BusyBox and nothing else: no C library, no apt-get."""
    host = tmp_path / "host"
    debian_archive.extract(["busybox-static"], "trixie", host, tmp_path / "log", "BusyBox")
    for folder in ("bin", "dev", "etc", "lib64", "proc", "tmp"):
        (host / folder).mkdir(exist_ok=True)
    for name in ("sh", "cat", "mkdir", "mount"):
        (host / "bin" / name).symlink_to("/usr/bin/busybox")
    return host


@needs_apt
@needs_root
def test_programs_run_on_a_host_without_a_c_library(bare_host):
    script = """
        mkdir $1/root
        mount --bind $2 $1/root
        for program in curl docker docker-registry skopeo; do
            echo $program: $(chroot $1 /root/bin/$program --version 2>&1)
        done
        chroot $1 /root/bin/docker-compose version
        chroot $1 /root/bin/docker-buildx version
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", bare_host, engine_root.fetch(print)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for said in (
        "curl: curl 8", f"docker: Docker version {engine_root.VERSION}",
        "github.com/docker/buildx ", "docker-registry github.com", "skopeo: skopeo version",
        "Docker Compose version",
    ):  # fmt: skip
        assert said in done.stdout


@needs_apt
@pytest.mark.skipif(os.geteuid() != 0, reason="removes the network by unshare(1)")
def test_without_a_network_it_says_so_and_leaves_nothing(home):
    program = "from dockyard.engine import engine_root; engine_root.fetch(print)"
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", program],
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"Docker {engine_root.VERSION} of Debian forky could not be downloaded." in done.stderr
    assert left_in(home) == []


def test_without_apt_get_and_a_published_archive_the_need_says_so(home, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    need = engine_root.needs()[0]
    assert not need.met
    assert "no published archive" in need.found and "no apt-get" in need.found
    assert engine_root.program("docker") is None


def test_a_full_disk_is_reported_before_anything_is_downloaded(home, monkeypatch):
    monkeypatch.setattr(engine_root, "ROOM_NEEDED", 2**62)
    with pytest.raises(DiskFull, match="are free") as caught:
        engine_root.fetch(pytest.fail)
    assert "DOCKYARD_HOME=" in caught.value.next
    assert left_in(home) == []


@needs_apt
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_disk_that_fills_up_is_reported_and_nothing_is_left(home, monkeypatch):
    monkeypatch.setattr(engine_root, "ROOM_NEEDED", 0)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m", "none", home], check=True)
    try:
        with pytest.raises(InstallFailed) as caught:
            engine_root.fetch(print)
        assert "disk space" in caught.value.next
        assert left_in(home) == []
    finally:
        subprocess.run(["umount", home], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts by unshare(1)")
def test_a_command_sees_the_roots_programs_and_the_hosts_files(tmp_path):
    programs = tmp_path / "root/usr/bin"
    programs.mkdir(parents=True)
    (programs / "dockyard-test").write_text("#!/bin/sh\necho ran with $1; ls /usr/bin/env\n")
    (programs / "dockyard-test").chmod(0o755)
    done = subprocess.run(
        engine_root.command(tmp_path / "root", "dockyard-test", tmp_path),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"ran with {tmp_path}\n/usr/bin/env\n"
    assert shutil.which("dockyard-test") is None
