"""Every fault of the machine ends with a clear message and one command that recovers."""

from __future__ import annotations

import os
import shutil
import subprocess

import docker
import pytest
from docker.errors import APIError

from dockyard.core import wait
from dockyard.engine.vm import artifacts
from dockyard.engine.vm.machine import MachineEngine
from dockyard.exceptions import DiskFull
from tests.support import machines

pytestmark = machines.MARKS
own_home, shared = machines.own_home, machines.shared
engine, daemon = machines.engine, machines.daemon

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk: sudo -E …")


def test_a_command_under_way_ends_when_the_kernel_is_killed(engine, daemon):
    command = ["docker", "-H", f"unix://{engine.socket}", "run", "--rm", "tools:1", "sleep", "600"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait.until("the container", daemon.containers.list, 60)
    engine.service.process().children()[0].kill()
    _, said = running.communicate(timeout=30)
    assert running.returncode != 0
    assert said.strip()
    again = MachineEngine()
    again.start(print)
    client = docker.DockerClient(base_url=f"unix://{again.socket}", timeout=120)
    assert client.containers.run("tools:1", "echo again", remove=True) == b"again\n"
    client.close()


@pytest.fixture
def small_home(own_home, tmp_path):
    """A home on a disk of 1.3 GB, with the artifacts of the other."""
    made = artifacts.folder()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1300M", "small", small], check=True)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKYARD_HOME", str(small))
            artifacts.folder().mkdir()
            for file in made.glob("*-*"):
                (artifacts.folder() / file.name).symlink_to(file)
            yield small
            MachineEngine().stop(print)
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


FILL = ["sh", "-ec", "dd if=/dev/zero of=/fill bs=1M count=4000; sync"]


@as_root
def test_a_full_disk_inside_is_said_and_ends_with_the_container(small_home, tmp_path):
    engine = MachineEngine()
    client = docker.DockerClient(base_url=engine.start(print).address, timeout=300)
    client.api.import_image_from_data(machines.tools(tmp_path), repository="tools", tag="1")
    # By the client: the daemon's own log of the output has no room left either.
    command = ["docker", "-H", f"unix://{engine.socket}", "run", "--name", "full", "tools:1"]
    said = subprocess.run([*command, *FILL], capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "No space left on device" in said.stderr
    client.containers.get("full").remove()
    assert client.containers.run("tools:1", "echo room", remove=True) == b"room\n"
    client.close()
    assert shutil.disk_usage(small_home).free > 10**8


@as_root
def test_a_full_disk_outside_is_said_and_a_restart_recovers(small_home, tmp_path):
    engine = MachineEngine()
    client = docker.DockerClient(base_url=engine.start(print).address, timeout=300)
    client.api.import_image_from_data(machines.tools(tmp_path), repository="tools", tag="1")
    ballast = small_home / "ballast"
    with ballast.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"\0" * 10**6)
    said = r"no space left on device|read-only file system|input/output error"
    with pytest.raises(APIError, match=said):
        for _ in range(20):
            client.containers.run("tools:1", FILL, remove=True, stderr=True)
    client.close()
    engine.stop(print)
    with pytest.raises(DiskFull, match="too little free disk space"):
        engine.start(print)
    ballast.unlink()
    client = docker.DockerClient(base_url=engine.start(print).address, timeout=300)
    # What was made last may be gone, but is never there without its content.
    if not client.images.list("tools:1"):
        client.api.import_image_from_data(machines.tools(tmp_path), repository="tools", tag="1")
    assert client.containers.run("tools:1", "echo room", remove=True) == b"room\n"
    client.close()
