"""Registries for the tests of this folder."""

import shutil
from functools import cache

import docker
import pytest

from dockyard.core import docker_client as course_client
from dockyard.core import paths
from dockyard.registry import server
from dockyard.registry.api import Registry
from dockyard.registry.image_catalog import images
from tests.registry.containers import (
    PREFIX,
    certificates,
    need,
    nested,
    port_of,
    tls,
    until_it_answers,
)
from tests.registry.samples import say, store_image
from tests.support import homes
from tests.support.registry_process import RegistryProcess


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own; its registry is stopped afterwards."""
    homes.give_engine_root(tmp_path / "home")
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    yield paths.home()
    server.stop()


@pytest.fixture
def own(home):
    """The course registry of that home."""
    return server.start(say)


@pytest.fixture
def other_process(tmp_path):
    """A registry elsewhere, which anybody may push to."""
    (tmp_path / "other").mkdir()
    running = RegistryProcess(tmp_path / "other")
    yield running
    running.stop()


@pytest.fixture
def other(other_process):
    """A client of that registry."""
    return Registry(f"http://{other_process.address}")


@pytest.fixture
def other_storage(other_process):
    """The folder with the blobs, manifests and tags of that registry."""
    return other_process.storage


@pytest.fixture(scope="session")
def store_all(tmp_path_factory):
    """A function that stores every image in a registry's folder; some have the labels of Hub.

    The images are pushed once and copied from then on.
    """

    @cache
    def pushed(from_hub):
        running = RegistryProcess(tmp_path_factory.mktemp("images"))
        for image in images():
            labels = {"from": "hub"} if from_hub and image.hub else None
            store_image(Registry(f"http://{running.address}"), image, labels=labels)
        running.stop()
        return running.storage

    def store(storage, *, from_hub=False):
        shutil.copytree(pushed(from_hub), storage, dirs_exist_ok=True)

    return store


@pytest.fixture(scope="module", autouse=True)
def no_foreign_authority():
    """Requests lets these variables take the place of the authority a client was given."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def engine():
    """The course's engine. What the tests leave on it is removed."""
    connected = course_client.connect(timeout=600)
    _sweep(connected)
    yield connected
    _sweep(connected)
    connected.close()


@pytest.fixture(scope="module")
def filled():
    """The course's own registry."""
    return server.find()


@pytest.fixture(scope="module")
def boat(engine, filled):
    """A nested daemon with its port published on loopback."""
    need(engine, filled, "docker:dind")
    one = nested(engine, "boat", ports={"2376/tcp": ("127.0.0.1", 0)})
    until_it_answers(one)
    yield one
    one.remove(force=True, v=True)


@pytest.fixture(scope="module")
def aboard(boat, tmp_path_factory):
    """A client of the nested daemon, over mutual TLS."""
    folder = certificates(boat, tmp_path_factory.mktemp("boat") / "client")
    connected = docker.DockerClient(
        base_url=f"tcp://127.0.0.1:{port_of(boat, '2376/tcp')}", tls=tls(folder), timeout=120
    )
    yield connected
    connected.close()


def _sweep(connected):
    for one in connected.containers.list(all=True, filters={"name": f"^{PREFIX}"}):
        one.remove(force=True, v=True)
    for kind in (connected.networks, connected.volumes):
        for one in kind.list(filters={"name": PREFIX}):
            one.remove()
