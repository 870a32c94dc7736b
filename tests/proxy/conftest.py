"""The front door in front of a fake daemon, and in front of a real one."""

from __future__ import annotations

import pytest

from tests.support.fake_daemon import FakeDaemon
from tests.support.front_door import Docker, Dockerd, Door, build_busybox, short_folder


@pytest.fixture
def folder():
    with short_folder() as made:
        yield made


@pytest.fixture
def start_door(folder):
    """Starts the front door in front of a fake daemon with the given handler."""
    started = []

    def start(handler):
        daemon = FakeDaemon(folder / "engine.sock", handler).__enter__()
        door = Door(folder, f"unix://{daemon.path}").start()
        started.append((daemon, door))
        return daemon, door

    yield start
    for daemon, door in started:
        door.stop()
        daemon.__exit__()


@pytest.fixture
def door_without_engine(folder):
    door = Door(folder, f"unix://{folder}/engine.sock").start()
    yield door
    door.stop()


@pytest.fixture(scope="package")
def dockerd_folder():
    with short_folder() as made:
        yield made


@pytest.fixture(scope="package")
def dockerd(dockerd_folder):
    started = Dockerd(dockerd_folder).start()
    yield started
    started.stop()


@pytest.fixture(scope="package")
def door(dockerd_folder, dockerd):
    opened = Door(dockerd_folder, f"unix://{dockerd.socket}").start()
    yield opened
    opened.stop()


@pytest.fixture(scope="package")
def direct(dockerd_folder, dockerd):
    """The docker client on the daemon's own socket."""
    return Docker(dockerd_folder, dockerd.socket)


@pytest.fixture(scope="package")
def docker(dockerd_folder, door, direct):
    """The docker client of a lesson."""
    made = Docker(dockerd_folder, door.socket, lesson="08-registries")
    build_busybox(direct, dockerd_folder)
    return made
