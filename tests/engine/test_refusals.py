"""Machines on which the course cannot start: each error is a few lines with the next command."""

import json
import re
import shutil
import socketserver
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from dockyard.core import paths
from dockyard.engine import engine_root
from tests.support import homes, restricted_host
from tests.support.command_line import run
from tests.support.restricted_host import NOBODY, is_clear, needs_root

START = ("engine", "start", "--engine")


@pytest.fixture
def folder():
    with restricted_host.open_folder() as made:
        yield made


def processes_of(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in word for word in process.cmdline()):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


class OldDaemon(socketserver.UnixStreamServer):
    """Answers as Docker 1.12 did, which no longer runs on current kernels."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), OldAnswers)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class OldAnswers(BaseHTTPRequestHandler):
    version: ClassVar = {"Version": "1.12.6", "ApiVersion": "1.24", "Os": "linux", "Arch": "amd64"}

    def address_string(self) -> str:
        return "client"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = json.dumps(self.version).encode() if "version" in self.path else b"OK"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Api-Version", "1.24")
        self.end_headers()
        self.wfile.write(body)


@needs_root
def test_permission_denied_explains_the_group_and_never_recommends_chmod(folder):
    with OldDaemon(folder / "docker.sock") as daemon:
        (folder / "docker.sock").chmod(0o600)
        done = restricted_host.run(
            *START, "local", folder=folder, user=NOBODY,
            DOCKER_HOST=f"unix://{folder}/docker.sock", DOCKYARD_HOME=f"{folder}/home",
            before=f"mkdir -m 777 -p {folder}/home",
        )  # fmt: skip
        daemon.shutdown()
    assert is_clear(done), done.stderr
    assert "Permission denied on unix://" in done.stderr
    assert "as powerful as being root" in done.stderr
    assert "usermod -aG docker" in done.stderr
    assert "--engine embedded" in done.stderr
    assert "chmod" not in done.stderr
    assert processes_of(folder) == []


def test_a_daemon_that_is_too_old_is_reported_with_its_version_and_the_needed_one(folder):
    with OldDaemon(folder / "docker.sock") as daemon:
        done = run(
            *START, "local", home=folder / "home", DOCKER_HOST=f"unix://{folder}/docker.sock"
        )
        daemon.shutdown()
    assert is_clear(done), done.stderr
    assert "too old: Docker 1.12.6, API 1.24" in done.stderr
    assert "API 1.41 (Docker 20.10)" in done.stderr
    assert "--engine embedded" in done.stderr


@needs_root
def test_without_any_engine_the_error_names_what_each_provider_needs(folder):
    # No privileges, no daemon, no programs to build a machine with, no disk space.
    done = restricted_host.run(
        *START, "auto", folder=folder, user=NOBODY,
        DOCKER_HOST=f"unix://{folder}/nobody.sock", DOCKYARD_HOME=f"{folder}/home",
        before=f"mkdir {folder}/home; mount -t tmpfs -o size=32m,mode=777 none {folder}/home",
    )  # fmt: skip
    assert is_clear(done), done.stderr
    assert "No Docker engine can run here." in done.stderr
    for provider in ("local:", "embedded:", "machine:"):
        assert provider in done.stderr
    assert "python3 -m dockyard doctor" in done.stderr


@needs_root
@pytest.mark.engine
def test_a_full_disk_is_reported_with_numbers_and_nothing_is_left_running(folder):
    done = restricted_host.run(
        *START, "embedded", folder=folder, DOCKYARD_HOME=f"{folder}/home",
        before=f"mkdir {folder}/home; mount -t tmpfs -o size=64m none {folder}/home",
    )  # fmt: skip
    assert is_clear(done), done.stderr
    assert re.search(r"Only \d+ MB are free in \S+/home\.", done.stderr)
    assert "DOCKYARD_HOME=" in done.stderr
    assert processes_of(folder) == []


@needs_root
def test_a_read_only_checkout_needs_a_home_elsewhere(folder):
    done = restricted_host.run(*START, "embedded", folder=folder, options="bind,ro")
    assert is_clear(done), done.stderr
    assert f"{folder}/course/.dockyard cannot be written." in done.stderr
    assert "DOCKYARD_HOME=" in done.stderr


@needs_root
def test_a_read_only_checkout_without_an_environment_says_to_clone_elsewhere(folder):
    done = restricted_host.run(
        "doctor", folder=folder, python="/usr/bin/python3", options="bind,ro",
        before="export PYTHONNOUSERSITE=1",
        checkout=_copy_without_environment(folder),
    )  # fmt: skip
    assert is_clear(done), done.stderr
    assert "cannot be written" in done.stderr
    assert ".venv" in done.stderr
    assert "git clone" in done.stderr


@needs_root
def test_an_environment_that_could_not_be_made_is_made_by_the_next_command(folder):
    python = "/usr/bin/python3"
    report = "import ensurepip; print(ensurepip.__path__[0])"
    found = subprocess.run([python, "-c", report], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip("needs python3-venv:  apt-get install python3-venv")
    fresh = _copy_without_environment(folder)
    where = {"folder": folder, "python": python, "checkout": fresh, "options": "bind"}
    # Debian without the package python3-venv.
    hide = f"export PYTHONNOUSERSITE=1; mount -t tmpfs none {found.stdout.strip()}"
    refused = restricted_host.run("doctor", before=hide, **where)
    assert is_clear(refused), refused.stderr
    assert "apt-get install python3-venv" in refused.stderr
    assert (fresh / ".venv" / "bin" / "python").exists()
    # No index, so that it fails when pip looks for packages.
    again = restricted_host.run(
        "doctor", before="export PYTHONNOUSERSITE=1 PIP_NO_INDEX=1", **where
    )
    assert "No module named pip" not in again.stderr
    assert "No matching distribution found" in again.stderr


def _copy_without_environment(folder: Path) -> Path:
    fresh = folder / "fresh"
    fresh.mkdir()
    shutil.copytree(paths.CHECKOUT / "dockyard", fresh / "dockyard")
    for lock in ("requirements.txt", "requirements-test.txt"):
        shutil.copy(paths.CHECKOUT / lock, fresh)
    return fresh


@needs_root
@pytest.mark.engine
def test_without_a_network_docker_that_is_not_in_the_home_yet_is_reported(folder):
    home = {"folder": folder, "network": False, "DOCKYARD_HOME": f"{folder}/home"}
    done = restricted_host.run(*START, "embedded", **home)
    assert is_clear(done), done.stderr
    assert f"Docker {engine_root.VERSION} of Debian forky could not be downloaded." in done.stderr
    assert "Reading package lists" not in done.stderr  # apt's errors alone
    assert "Check the network" in done.stderr
    assert "python3 -m dockyard engine start" in done.stderr.splitlines()[-1]
    assert processes_of(folder) == []


@needs_root
@pytest.mark.engine
def test_without_a_network_missing_images_are_reported_and_the_engine_can_be_stopped(folder):
    homes.give_engine_root(folder / "home")  # then only the images are missing
    home = {"DOCKYARD_HOME": f"{folder}/home"}
    done = restricted_host.run(*START, "embedded", folder=folder, network=False, **home)
    try:
        assert is_clear(done), done.stderr
        assert "The Debian mirror does not answer, and neither does Docker Hub." in done.stderr
        assert "registry import FILE" in done.stderr
    finally:
        stopped = restricted_host.run("engine", "stop", folder=folder, **home)
    assert stopped.returncode == 0, stopped.stderr
    assert processes_of(folder) == []
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
