"""A machine engine for tests, in a separate home, with a shared folder and an image of tools."""

from __future__ import annotations

import functools
import io
import os
import subprocess
import tarfile
import urllib.request
from contextlib import suppress
from pathlib import Path

import docker
import pytest
from docker.errors import NotFound

from dockyard.core import paths
from dockyard.engine.vm import artifacts
from dockyard.engine.vm.machine import MachineEngine

ECHO_UDP = r"""
#include <arpa/inet.h>
#include <sys/socket.h>
int main(void) {
    char text[2048];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(9000)}, peer;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bind(fd, (void *)&here, sizeof here);
    for (;;) {
        socklen_t size = sizeof peer;
        long length = recvfrom(fd, text, sizeof text, 0, (void *)&peer, &size);
        sendto(fd, text, length, 0, (void *)&peer, size);
    }
}
"""


MARKS = [pytest.mark.engine, pytest.mark.slow, pytest.mark.machine]


def on_a_machine(test):
    """Mark one test of a module as one that needs the machine."""
    for mark in MARKS:
        test = mark(test)
    return test


def link_artifacts(made: Path) -> None:
    """Let this home have the artifacts in the folder made."""
    artifacts.folder().mkdir(parents=True, exist_ok=True)
    for file in made.glob("*-*"):
        target = artifacts.folder() / file.name
        if file.is_file() and not target.exists():
            os.link(file, target)


@pytest.fixture(scope="module")
def own_home():
    """A home inside the home, with the artifacts that exist already.

    A course that runs on a machine meanwhile is not disturbed.
    """
    made = artifacts.folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKYARD_HOME", str(paths.home() / "machine-test"))
        link_artifacts(made)
        yield


@pytest.fixture(scope="module")
def shared(own_home, tmp_path_factory):
    """A folder of this host that the machine shares."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKYARD_MACHINE_SHARE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def engine(shared):
    engine = MachineEngine()
    engine.stop(print)
    engine.start(print)
    yield engine
    engine.stop(print)


@pytest.fixture
def daemon(engine, tmp_path):
    """A client of the running machine, with an image ``tools:1`` of BusyBox."""
    engine.start(print)
    client = docker.DockerClient(base_url=f"unix://{engine.socket}", timeout=300)
    if not client.images.list("tools:1"):
        client.api.import_image_from_data(tools(tmp_path), repository="tools", tag="1")
    yield client
    # A swarm removes its containers itself.
    for container in client.containers.list(all=True, ignore_removed=True):
        with suppress(NotFound):
            container.remove(force=True)
    client.close()


def page(address: str) -> bytes | None:
    """A web server's answer; None when there is none."""
    try:
        with urllib.request.urlopen(address, timeout=3) as answer:
            return answer.read()
    except OSError:
        return None


@functools.cache
def tools(folder: Path) -> bytes:
    """An image's root: BusyBox from the distribution's package, and a UDP echo."""
    subprocess.run(
        ["apt-get", "download", "busybox-static"], cwd=folder, check=True, capture_output=True
    )
    (package,) = folder.glob("busybox-static*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder / "package"], check=True)
    (busybox,) = (folder / "package").glob("**/bin/busybox")
    (folder / "echo.c").write_text(ECHO_UDP)
    subprocess.run(["gcc", "-static", "-o", folder / "echo", folder / "echo.c"], check=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(busybox, "bin/busybox")
        archive.add(folder / "echo", "bin/echo-udp")
        for name in subprocess.check_output([busybox, "--list"], text=True).split():
            if name != "busybox":
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
    return packed.getvalue()
