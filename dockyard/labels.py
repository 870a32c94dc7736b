"""The course's labels, and removal by label: the only place that deletes.

Everything made through the front door is labelled (see docs/architecture.md). Nothing without
the label is ever removed, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from dockyard.names import CHECK, COURSE, LESSON


@dataclass(frozen=True)
class Removed:
    """How many objects of each kind went."""

    containers: int = 0
    networks: int = 0
    volumes: int = 0
    images: int = 0

    def __str__(self) -> str:
        counts = [
            f"{count} {kind if count != 1 else kind[:-1]}"
            for kind, count in vars(self).items()
            if count
        ]
        return "Removed " + ", ".join(counts) + "." if counts else "Nothing to remove."


def remove(client: docker.DockerClient, lesson: str | None = None) -> Removed:
    """Remove the containers, networks, volumes and images of one lesson, or of the course.

    Similar to ``docker rm --force --volumes``, ``docker network rm``, ``docker volume rm`` and
    ``docker rmi`` with ``--filter label=…``. An image that an unlabelled container still uses
    stays. Raises docker.errors.APIError when the daemon refuses for another reason.
    """
    wanted = f"{LESSON}={lesson}" if lesson else f"{COURSE}=1"
    only = {"label": wanted}
    containers = client.containers.list(all=True, filters=only, ignore_removed=True)
    containers.sort(key=lambda container: container.labels.get("com.docker.swarm.task.id", ""))
    for container in containers:
        _ignoring_gone(container.remove, force=True, v=True)
    networks = client.networks.list(filters=only)
    networks = [network for network in networks if _removable(network.remove)]
    volumes = client.volumes.list(filters=only)
    volumes = [volume for volume in volumes if _removable(volume.remove)]
    return Removed(len(containers), len(networks), len(volumes), _remove_images(client, wanted))


def untag(daemon: docker.DockerClient, stems: Iterable[str]) -> int:
    """Take names that begin with a stem away from images that carry the course's label.

    Similar to ``docker rmi NAME``. For stems drawn at random by the course; the image stays
    under its other names. Returns how many names went.
    """
    stems = tuple(stem for stem in stems if not stem.isdigit())
    count = 0
    for _, names in _images(daemon, f"{COURSE}=1"):
        for name in names:
            if stems and name.rpartition("/")[2].startswith(stems):
                count += _removable(daemon.images.remove, image=name)
    return count


@contextmanager
def helper(
    daemon: docker.DockerClient, image: str, command: list[str] | None = None, **options: Any
) -> Iterator[Container]:
    """A container, not started, for the length of a ``with``: a check reads files through it.

    Similar to ``docker create``. command defaults to the image's own.
    """
    container = daemon.containers.create(image, command, labels={CHECK: "1"}, **options)
    try:
        yield container
    finally:
        _ignoring_gone(container.remove, force=True, v=True)


def _remove_images(client: docker.DockerClient, wanted: str) -> int:
    count = 0
    for id, names in _images(client, wanted):
        for name in names or [id]:
            count += _removable(client.images.remove, image=name)
    return count


def _images(client: docker.DockerClient, wanted: str) -> Iterator[tuple[str, list[str]]]:
    # Not images.list(), which asks for each image once more and fails if one went meanwhile.
    for image in client.api.images(filters={"label": wanted}):
        names = [name for name in image["RepoTags"] or () if name != "<none>:<none>"]
        yield image["Id"], names


def _ignoring_gone(action, **options) -> bool:
    try:
        action(**options)
    except NotFound:
        return False
    return True


def _removable(action, **options) -> bool:
    try:
        return _ignoring_gone(action, **options)
    except APIError as error:
        # 409: an object of the learner's own still uses it, so it is not ours to take away.
        if error.status_code in (403, 409):
            return False
        raise
