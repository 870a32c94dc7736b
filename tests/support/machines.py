"""The machine engine for tests: a home of its own, a folder that is shared, an image of tools."""

from __future__ import annotations

import functools
import io
import os
import subprocess
import tarfile
import urllib.request
from pathlib import Path

import docker
import pytest

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


@pytest.fixture(scope="module")
def own_home():
    """A home inside the home, with the artefacts that are there already."""
    made = artifacts.folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKYARD_HOME", str(paths.home() / "machine-test"))
        artifacts.folder().mkdir(parents=True, exist_ok=True)
        for file in made.glob("*-*"):
            if not (artifacts.folder() / file.name).exists():
                os.link(file, artifacts.folder() / file.name)
        yield


@pytest.fixture(scope="module")
def shared(own_home, tmp_path_factory):
    """A folder of this host that the machine is told to share."""
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
    for container in client.containers.list(all=True):
        container.remove(force=True)
    client.close()


def page(address: str) -> bytes | None:
    """What a web server answers; None when it does not."""
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
