"""The course's labels, and removal by label: the only place that deletes.

Everything made through the front door is labelled (see docs/architecture.md). Nothing without
the label is ever removed, whatever its name.
"""

from __future__ import annotations

from dataclasses import dataclass

import docker
from docker.errors import APIError, NotFound

from dockyard.names import COURSE, LESSON


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


def _remove_images(client: docker.DockerClient, wanted: str) -> int:
    count = 0
    for image in client.images.list(filters={"label": wanted}):
        for name in image.tags or [image.id]:
            count += _removable(client.images.remove, image=name)
    return count


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
