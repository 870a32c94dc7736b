"""The course's labels, and removal by label: the only place that deletes a learner's objects.

Everything made through the front door is labelled (see docs/architecture.md). Nothing without
the label is ever removed, whatever its name; a container that has it from its image neither.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from dockyard.core import paths
from dockyard.core.labels import CHECK, COURSE, HOME, LESSON, REGISTRY


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


def remove(
    client: docker.DockerClient, lesson: str | None = None, brought: Collection[str] = ()
) -> Removed:
    """Remove the containers, networks, volumes and images of one lesson, or of every lesson.

    Similar to ``docker rm --force --volumes``, ``docker network rm``, ``docker volume rm`` and
    ``docker rmi`` with ``--filter label=…``. Objects made past this home's front door stay, and
    the course registry. So does an image that one of them uses. brought are names of images that
    the course gave to a daemon; those that carry its label lose them. Raises
    docker.errors.APIError when the daemon refuses for another reason.
    """
    api = client.api
    only = {"label": f"{LESSON}={lesson}" if lesson else f"{COURSE}=1"}
    containers = _own_containers(api, only)
    containers = [each for each in containers if _container_removed(api, each["Id"])]
    networks = [each for each in api.networks(filters=only) if _is_ours(each)]
    networks = [each for each in networks if _removable(api.remove_network, each["Id"])]
    volumes = [each for each in api.volumes(filters=only)["Volumes"] or () if _is_ours(each)]
    volumes = [each for each in volumes if _removable(api.remove_volume, each["Name"])]
    images = _remove_images(client, only["label"] if lesson else LESSON)
    images += _untag(client, lambda name: name.removeprefix("docker.io/library/") in brought)
    return Removed(len(containers), len(networks), len(volumes), images)


def untag(daemon: docker.DockerClient, stems: Iterable[str]) -> int:
    """Take names that begin with a stem away from images that carry the course's label.

    Similar to ``docker rmi NAME``. For stems drawn at random by the course; the image stays
    under its other names. Returns how many names went.
    """
    stems = tuple(stem for stem in stems if not stem.isdigit())
    return _untag(daemon, lambda name: name.rpartition("/")[2].startswith(stems))


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
        _container_removed(daemon.api, container.id)


def _own_containers(api: docker.APIClient, only: dict[str, str]) -> list[dict[str, Any]]:
    """The containers of this home that only selects; a swarm's tasks come last."""
    # docker commit gives an image the mark of the container that it was made from.
    marked = api.images(all=True, filters={"label": HOME})
    given_on = {image["Id"]: image["Labels"][HOME] for image in marked}
    found = [
        each
        for each in api.containers(all=True, filters=only)
        if _is_ours(each) and each["Labels"][HOME] != given_on.get(each["ImageID"])
    ]
    return sorted(found, key=lambda each: each["Labels"].get("com.docker.swarm.task.id", ""))


def _is_ours(found: dict[str, Any]) -> bool:
    """Whether this home's front door made what a list of the daemon tells."""
    labels = found["Labels"] or {}
    return labels.get(HOME, "").partition(".")[0] == paths.token() and REGISTRY not in labels


def _remove_images(client: docker.DockerClient, wanted: str) -> int:
    count = 0
    for id, names in _images(client, wanted):
        for name in names or [id]:
            count += _removable(client.images.remove, image=name)
    return count


def _untag(client: docker.DockerClient, chosen: Callable[[str], bool]) -> int:
    names = [name for _, names in _images(client, f"{COURSE}=1") for name in names if chosen(name)]
    return sum(_removable(client.images.remove, image=name) for name in names)


def _images(client: docker.DockerClient, wanted: str) -> Iterator[tuple[str, list[str]]]:
    # Not images.list(), which asks for each image once more and fails if one went meanwhile.
    for image in client.api.images(filters={"label": wanted}):
        names = [name for name in image["RepoTags"] or () if name != "<none>:<none>"]
        yield image["Id"], names


def _container_removed(api: docker.APIClient, id: str) -> bool:
    try:
        return _ignoring_gone(api.remove_container, id, force=True, v=True)
    except APIError as error:
        # 409: it is being removed already, as one of docker run --rm is when it ends.
        if error.status_code == 409 and "already in progress" in error.explanation:
            return False
        raise


def _ignoring_gone(action, *arguments, **options) -> bool:
    try:
        action(*arguments, **options)
    except NotFound:
        return False
    return True


def _removable(action, *arguments, **options) -> bool:
    try:
        return _ignoring_gone(action, *arguments, **options)
    except APIError as error:
        # 409: an object of the learner's own still uses it, so it is not ours to take away.
        if error.status_code in (403, 409):
            return False
        raise
