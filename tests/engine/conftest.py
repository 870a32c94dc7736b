"""What tests of engines of their own take from the course that runs."""

from contextlib import closing

import pytest

from dockyard import course
from dockyard.core import docker_client
from tests.support import homes


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, which shares the engine root of the course's home."""
    made = tmp_path / "home"
    homes.give_engine_root(made)
    monkeypatch.setenv("DOCKYARD_HOME", str(made))
    return made


@pytest.fixture
def mirror():
    """The URL of the course registry that runs."""
    state = course.State.load()
    if state is None or not state.mirror:
        pytest.skip("needs the course registry:  python3 -m dockyard engine start")
    return state.mirror


@pytest.fixture(scope="module")
def busybox():
    """The archive of the course's image, for a daemon that cannot reach the registry."""
    if course.State.load() is None:
        pytest.skip("needs the course:  python3 -m dockyard engine start")
    with closing(docker_client.connect()) as client:
        client.images.pull("busybox", "latest")
        return b"".join(client.api.get_image("busybox:latest"))
