"""A private dockerd behind the front door of a home of its own, for ``%%trace``."""

from __future__ import annotations

from contextlib import ExitStack

import docker as sdk
import pytest

from dockyard.core import paths
from tests.support import homes
from tests.support.front_door import Docker, Dockerd, Door, build_busybox, short_folder


@pytest.fixture(scope="package")
def folder():
    """A home whose front door is the one under test."""
    with short_folder() as made, pytest.MonkeyPatch.context() as patch:
        homes.give_plugins(made)
        patch.setenv("DOCKYARD_HOME", str(made))
        yield made


@pytest.fixture(scope="package")
def docker(folder):
    with ExitStack() as started:
        dockerd = Dockerd(folder).start()
        started.callback(dockerd.stop)
        door = Door(paths.run_dir(), f"unix://{dockerd.socket}").start()
        started.callback(door.stop)
        made = Docker(folder, door.socket)
        build_busybox(made, folder)
        yield made


@pytest.fixture
def client(docker):
    made = sdk.DockerClient(base_url=f"unix://{paths.front_door()}")
    yield made
    made.close()
