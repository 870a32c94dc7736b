"""Objects of a learner on the course's daemon, which must survive the whole test run.

Before the first test or notebook runs, a container, an image, a network and a volume, all called
``cn``, are created on the daemon itself, not through the front door. The image carries the
course's label, as an image built from a course image does, and the container inherits it. The
last test checks that all of them are unchanged, and that no file is new in the learner's ~/.docker.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import docker
import pytest

from dockyard import course
from dockyard.core import paths
from dockyard.core.labels import COURSE

NAME = "cn"
LAST = "test_the_learners_own_objects_survived_the_whole_run"


def daemon() -> docker.DockerClient:
    """A client of the daemon that does not go through the front door."""
    state = course.State.load()
    assert state is not None
    return docker.DockerClient(base_url=state.endpoint["address"])


def make(client: docker.DockerClient) -> dict:
    """Create the objects and return their facts."""
    remove(client)
    _need(client, "busybox:latest")
    source = client.containers.create("busybox")
    try:
        content = b"".join(source.export())
    finally:
        source.remove()
    changes = [f"LABEL {COURSE}=1"]
    client.api.import_image_from_data(content, repository=NAME, tag="latest", changes=changes)
    client.networks.create(NAME)
    client.volumes.create(NAME)
    container = client.containers.run(
        NAME,
        # Short, so that the columns of docker ps stay as wide as in the stored outputs.
        "sh",
        stdin_open=True,
        name=NAME,
        network=NAME,
        volumes={NAME: {"bind": "/data"}},
        detach=True,
    )
    container.exec_run(["/bin/sh", "-c", "echo mine > /data/note"])
    return facts(client)


def facts(client: docker.DockerClient) -> dict:
    """Facts of the objects that any change to them would alter."""
    container = client.containers.get(NAME)
    return {
        "container": container.id,
        "status": container.status,
        "started": container.attrs["State"]["StartedAt"],
        "image": client.images.get(f"{NAME}:latest").id,
        "network": client.networks.get(NAME).id,
        "volume": client.volumes.get(NAME).attrs["CreatedAt"],
        "note": container.exec_run(["/bin/cat", "/data/note"]).output,
        "settings": sorted(map(str, Path("~/.docker").expanduser().rglob("*"))),
    }


def remove(client: docker.DockerClient) -> None:
    """Remove the objects."""
    for kind, options in (
        (client.containers, {"force": True}),
        (client.networks, {}),
        (client.volumes, {}),
    ):
        try:
            kind.get(NAME).remove(**options)
        except docker.errors.NotFound:
            continue
    with contextlib.suppress(docker.errors.NotFound):
        client.images.remove(f"{NAME}:latest")


def _need(client: docker.DockerClient, reference: str) -> None:
    try:
        client.images.get(reference)
    except docker.errors.ImageNotFound:
        client.images.pull(*reference.split(":"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Create the objects, if the course is running."""
    if session.config.option.collectonly or not (paths.front_door().exists() and course.answers()):
        return
    client = daemon()
    try:
        session.config.stash[FACTS] = make(client)
    finally:
        client.close()


FACTS = pytest.StashKey[dict]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test of the objects last."""
    items.sort(key=lambda item: item.name == LAST)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove the objects."""
    if FACTS in session.config.stash:
        client = daemon()
        try:
            remove(client)
        finally:
            client.close()
