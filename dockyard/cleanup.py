"""Removal of the course's objects by label. No other module deletes objects of the daemon.

Everything created through the front door is labelled (see docs/architecture.md). An object
without the label is never removed, whatever its name, nor is a container that only inherited
the label from its image. Volumes without a name cannot be labelled: those that the front door has
noted are removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from dockyard.core import home_mark, volume_notes
from dockyard.core.labels import CHECK, COURSE, HOME, LESSON, REGISTRY
from dockyard.core.volume_notes import Note

ATTEMPTS = 50
"""How often the images are listed while others remove some."""


@dataclass(frozen=True)
class Removed:
    """How many objects of each kind were removed."""

    containers: int = 0
    networks: int = 0
    volumes: int = 0
    images: int = 0
    nameless: int = 0
    """Volumes without a name; as a rule they go with their container, and nobody counts them."""

    def __add__(self, other: Removed) -> Removed:
        counts = zip(vars(self).values(), vars(other).values(), strict=True)
        return Removed(*(one + more for one, more in counts))

    def __str__(self) -> str:
        counts = [
            f"{count} {kind if count != 1 else kind[:-1]}"
            for kind, count in vars(self).items()
            if count and kind != "nameless"
        ]
        if self.nameless and not counts:
            counts = [f"{self.nameless} volume{'s' if self.nameless > 1 else ''} without a name"]
        return "Removed " + ", ".join(counts) + "." if counts else "Nothing to remove."


def remove(
    client: docker.DockerClient, lesson: str | None = None, brought: Collection[str] = ()
) -> Removed:
    """Remove the containers, networks, volumes and images of one lesson, or of all lessons.

    Similar to ``docker rm --force --volumes``, ``docker network rm``, ``docker volume rm`` and
    ``docker rmi`` with ``--filter label=…``. Keeps the course registry, objects that were not
    created through this home's front door, and images that one of them uses. brought are image
    names that the course pulled to the daemon; images with the course's label lose these names,
    and those that have no tag are removed.
    Raises docker.errors.APIError when the daemon refuses a removal for another reason.
    """
    api = client.api
    only = {"label": f"{LESSON}={lesson}" if lesson else f"{COURSE}=1"}
    containers = _own_containers(api, only)
    containers = [each for each in containers if _container_removed(api, each["Id"])]
    networks = [each for each in api.networks(filters=only) if _is_ours(each)]
    networks = [each for each in networks if _removable(api.remove_network, each["Id"])]
    volumes = [each for each in api.volumes(filters=only)["Volumes"] or () if _is_ours(each)]
    volumes = [each for each in volumes if _removable(api.remove_volume, each["Name"])]
    nameless = _remove_noted(api, lambda note: lesson in (None, note.lesson))
    wanted = [only["label"]] if lesson else [LESSON, HOME]
    images = sum(_remove_images(client, each) for each in wanted)
    images += _untag(client, lambda name: name.removeprefix("docker.io/library/") in brought)
    if brought:
        images += sum(
            _removable(client.images.remove, image=name)
            for id, names in _images(client, f"{COURSE}=1")
            # containerd's image store lists what was pulled by a digest as a name, too.
            if all("@" in name for name in names)
            for name in names or [id]
        )
    return Removed(len(containers), len(networks), len(volumes), images, nameless)


def remove_named(
    client: docker.DockerClient, stems: Iterable[str], *, any_lesson: bool = False
) -> Removed:
    """Remove the objects of this home that no lesson has and whose names begin with a stem.

    Such objects are made by requests that do not name their lesson, for example by ``curl``.
    stems are random names that a lab or drill has drawn. With any_lesson, also removes what was
    made in a lesson: a drill is done in any notebook.
    """
    api, stems = client.api, _stems(stems)
    only = {"label": f"{COURSE}=1"}

    def chosen(found: dict[str, Any], names: Iterable[str]) -> bool:
        lost = _is_ours(found) and (any_lesson or LESSON not in found["Labels"])
        return lost and any(name.lstrip("/").startswith(stems) for name in names)

    containers = [each for each in _own_containers(api, only) if chosen(each, each["Names"])]
    containers = [each for each in containers if _container_removed(api, each["Id"])]
    networks = [each for each in api.networks(filters=only) if chosen(each, [each["Name"]])]
    networks = [each for each in networks if _removable(api.remove_network, each["Id"])]
    volumes = api.volumes(filters=only)["Volumes"] or ()
    volumes = [each for each in volumes if chosen(each, [each["Name"]])]
    volumes = [each for each in volumes if _removable(api.remove_volume, each["Name"])]
    nameless = _remove_noted(
        api,
        lambda note: note.container.startswith(stems) and (any_lesson or note.lesson is None),
    )
    return Removed(len(containers), len(networks), len(volumes), nameless=nameless)


def untag(daemon: docker.DockerClient, stems: Iterable[str]) -> int:
    """Remove names that begin with one of the stems from images with the course's label.

    Similar to ``docker rmi NAME``; an image keeps its other names. stems are random names that a
    lab has drawn. Returns the number of names removed.
    """
    chosen = _stems(stems)
    return _untag(daemon, lambda name: name.rpartition("/")[2].startswith(chosen))


def _stems(drawn: Iterable[str]) -> tuple[str, ...]:
    """The names among the values that a lab has drawn; ports are no names."""
    return tuple(value for value in drawn if not value.isdigit())


def list_images(api: docker.APIClient, **options: Any) -> list[dict[str, Any]]:
    """The images of a daemon. Similar to ``docker images``.

    The daemon answers 404 when somebody removes an image while it lists them; then asks again.
    """
    found: list[dict[str, Any]]
    for _ in range(ATTEMPTS):
        with suppress(NotFound):
            found = api.images(**options)
            return found
        time.sleep(0.1)
    found = api.images(**options)
    return found


@contextmanager
def helper(
    daemon: docker.DockerClient, image: str, command: list[str] | None = None, **options: Any
) -> Iterator[Container]:
    """Create a container that is not started, for a ``with`` block that reads its files.

    Similar to ``docker create``. command defaults to the image's own.
    """
    container = daemon.containers.create(image, command, labels={CHECK: "1"}, **options)
    try:
        yield container
    finally:
        if container.id:
            _container_removed(daemon.api, container.id)


def _own_containers(api: docker.APIClient, only: dict[str, str]) -> list[dict[str, Any]]:
    """The containers of this home that match the filter only; tasks of a swarm come last."""
    # docker commit copies a container's labels to the new image.
    marked = list_images(api, all=True, filters={"label": HOME})
    # An image that is removed meanwhile may be found by its label and listed without it.
    given_on = {image["Id"]: (image["Labels"] or {}).get(HOME) for image in marked}
    found = [
        each
        for each in api.containers(all=True, filters=only)
        if _is_ours(each)
        and each["Labels"][HOME] != given_on.get(each["ImageID"])
        and _is_asked_for(api, each)
    ]
    return sorted(found, key=_task)


def _is_asked_for(api: docker.APIClient, container: dict[str, Any]) -> bool:
    """Whether the container's mark was made for it, even if the image it is of is gone by now."""
    if _task(container):
        # The manager writes the image's digest into the name.
        return True
    try:
        # The list names the image as it is called now.
        image = api.inspect_container(container["Id"])["Config"]["Image"]
    except NotFound:
        return False
    return home_mark.was_given_to(container["Labels"][HOME], image)


def _task(container: dict[str, Any]) -> str:
    labels: dict[str, str] = container["Labels"]
    return labels.get("com.docker.swarm.task.id", "")


def _is_ours(found: dict[str, Any]) -> bool:
    """Whether an object, as listed by the daemon, was created through this home's front door."""
    labels = found["Labels"] or {}
    return REGISTRY not in labels and home_mark.is_ours(
        labels.get(HOME, ""), old=home_mark.engine_is_private()
    )


def _remove_noted(api: docker.APIClient, chosen: Callable[[Note], bool]) -> int:
    """Remove the chosen volumes of those that the front door has noted; return how many."""
    notes = list(volume_notes.taken())
    there = {each["Name"] for each in api.volumes()["Volumes"] or ()} if notes else set()
    count = 0
    for note in notes:
        if note.volume not in there:
            note.forget_if_old()
        elif chosen(note) and _removable(api.remove_volume, note.volume):
            note.forget()
            count += 1
    return count


def _remove_images(client: docker.DockerClient, wanted: str) -> int:
    count = 0
    for id, names in _images(client, wanted):
        for name in names or [id]:
            count += _removable(client.images.remove, image=name)
    # The nameless images between the steps of a classic build: Docker's own image store removes
    # them with the last image built on them, containerd's only lists them from then on.
    while any([_removable(client.images.remove, image=id) for id, _ in _images(client, wanted)]):
        pass
    return count


def _untag(client: docker.DockerClient, chosen: Callable[[str], bool]) -> int:
    names = [name for _, names in _images(client, f"{COURSE}=1") for name in names if chosen(name)]
    return sum(_removable(client.images.remove, image=name) for name in names)


def _images(client: docker.DockerClient, wanted: str) -> Iterator[tuple[str, list[str]]]:
    # Not images.list(), which inspects each image again and fails if one is gone by then.
    for image in list_images(client.api, filters={"label": wanted}):
        if HOME in (image["Labels"] or {}) and not _is_ours(image):
            continue  # made of a container of another home
        names = [name for name in image["RepoTags"] or () if name != "<none>:<none>"]
        yield image["Id"], names


def _container_removed(api: docker.APIClient, id: str) -> bool:
    try:
        return _ignoring_gone(api.remove_container, id, force=True, v=True)
    except APIError as error:
        # 409: it is already being removed, for example by docker run --rm.
        if error.status_code == 409 and "already in progress" in (error.explanation or ""):
            return False
        raise


def _ignoring_gone(action: Callable[..., object], *arguments: Any, **options: Any) -> bool:
    try:
        action(*arguments, **options)
    except NotFound:
        return False
    return True


def _removable(action: Callable[..., object], *arguments: Any, **options: Any) -> bool:
    try:
        return _ignoring_gone(action, *arguments, **options)
    except APIError as error:
        # 409: an object that does not belong to the course still uses it.
        if error.status_code in (403, 409):
            return False
        raise
