"""The daemon's objects as a check sees them: the facts of ``docker inspect``, logs and events.

Methods that return an object raise NotYet, in the learner's words, when there is none. So a check
is a list of expectations in the order in which a learner meets them.
"""

from __future__ import annotations

import re
import time
from typing import Any

import docker
from docker.errors import ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.networks import Network
from docker.models.volumes import Volume

from dockyard.labs.attempt import Attempt
from dockyard.labs.verdict import NotYet

HOUR = 3600
"""How far back the events are read, in seconds."""

MEGABYTE = 1024 * 1024


def name_of(container: Container) -> str:
    """The name of a container: docker-py's types allow None, which the daemon never sends."""
    return container.name or ""


def networks_of(container: Container) -> list[str]:
    """The names of a container's networks."""
    return sorted(container.attrs["NetworkSettings"]["Networks"])


def is_anonymous(volume: str) -> bool:
    """Whether the daemon chose this name of a volume."""
    return bool(re.fullmatch(r"[0-9a-f]{64}", volume))


class Inspection:
    """The daemon's objects, and the values of an attempt: ``probe["WEB"]``."""

    def __init__(self, daemon: docker.DockerClient, attempt: Attempt) -> None:
        self.daemon = daemon
        self.attempt = attempt

    def __getitem__(self, name: str) -> str:
        return self.attempt.values[name]

    def container(self, name: str) -> Container:
        """The container with this name. Similar to ``docker inspect NAME``."""
        try:
            return self.daemon.containers.get(name)
        except NotFound:
            raise NotYet(f"There is no container called {name}.") from None

    def has_container(self, name: str) -> bool:
        """Whether a container with this name exists, running or not."""
        try:
            # The daemon also finds containers by the beginning of their ids.
            return self.daemon.containers.get(name).name == name
        except NotFound:
            return False

    def not_here(self, name: str, there: Container) -> None:
        """Raise NotYet when a container that belongs on the daemon in there is on this one."""
        if self.has_container(name):
            raise NotYet(
                f"{name} is a container of the course's daemon, not of {there.name}'s.",
                mistake="another-daemon-was-asked",
            )

    def running(self, name: str) -> Container:
        """The container with this name, which must be running."""
        container = self.container(name)
        if container.status != "running":
            state = container.attrs["State"]
            raise NotYet(
                f"The container {name} is {container.status}"
                + (f", with exit code {state['ExitCode']}." if state["ExitCode"] else ".")
            )
        return container

    def kept(self, name: str) -> Container:
        """The container with this name, running or not. Recognises one that removed itself."""
        try:
            return self.container(name)
        except NotYet:
            if self.removed(name):
                raise NotYet(f"{name} was here and is gone.", mistake="removed-itself") from None
            raise

    def image(self, reference: str) -> Image:
        """The image with this name and tag. Similar to ``docker image inspect``."""
        try:
            return self.daemon.images.get(reference)
        except ImageNotFound:
            raise NotYet(f"The daemon has no image {reference}.") from None

    def must_be_from(self, container: Container, reference: str) -> None:
        """Raise NotYet unless a container was made from this image, or from one built on it."""
        name = container.attrs["Config"]["Image"]
        try:
            made_from, wanted = (
                self.daemon.images.get(each).attrs["RootFS"].get("Layers") or []
                for each in (container.attrs["Image"], reference)
            )
        except ImageNotFound:
            # One of the two has been removed, so that only the names are left to compare.
            made_from, wanted = [name.partition(":")[0]], [reference.partition(":")[0]]
        if made_from[: len(wanted)] != wanted:
            raise NotYet(f"{container.name} is made from {name}, not from {reference}.")

    def image_id(self, reference: str) -> str:
        """The id of the image with this name and tag."""
        return self.image(reference).attrs["Id"]

    def layers(self, reference: str) -> list[str]:
        """The digests of an image's layers, the lowest first; an image may have none."""
        return self.image(reference).attrs["RootFS"].get("Layers") or []

    def settings(self, reference: str) -> dict[str, Any]:
        """An image's ``Config``, such as its command; an image may have none."""
        return self.image(reference).attrs.get("Config") or {}

    def network(self, name: str) -> Network:
        """The network with this name. Similar to ``docker network inspect``."""
        for network in self.daemon.networks.list(names=[name]):
            if network.name == name:
                network.reload()
                return network
        raise NotYet(f"There is no network called {name}.")

    def volume(self, name: str) -> Volume:
        """The volume with this name. Similar to ``docker volume inspect``."""
        try:
            return self.daemon.volumes.get(name)
        except NotFound:
            raise NotYet(f"There is no volume called {name}.") from None

    def log(self, container: Container, tail: int | None = None) -> str:
        """What a container has printed, or its last lines, both streams.

        Similar to ``docker logs NAME``.
        """
        return container.logs(tail="all" if tail is None else tail).decode(errors="replace")

    def variables(self, container: Container) -> dict[str, str]:
        """The environment that a container was created with."""
        variables = container.attrs["Config"].get("Env") or []
        return dict(each.partition("=")[::2] for each in variables)

    def removed(self, name: str) -> bool:
        """Whether a container with this name was removed during the last hour.

        Similar to ``docker events --filter container=NAME --filter event=destroy``.
        """
        return any(
            event["Actor"]["Attributes"].get("name") == name
            for event in self._events(event="destroy")
        )

    def started_again(self, container: Container) -> bool:
        """Whether a container was started more than once during the last hour."""
        return len(self._events(event="start", container=container.id)) > 1

    def was_killed(self, container: Container) -> bool:
        """Whether a client has sent a signal to a container during the last hour.

        Similar to ``docker events --filter container=NAME --filter event=kill``.
        """
        return bool(self._events(event="kill", container=container.id))

    def _events(self, **filters: str | None) -> list[dict[str, Any]]:
        """The events of the last hour; the daemon keeps the last 256."""
        now = time.time()
        # docker-py takes strings with fractions of a second; its types do not.
        span: dict[str, Any] = {"since": f"{now - HOUR:.9f}", "until": f"{now:.9f}"}
        return list(self.daemon.events(filters=filters, decode=True, **span))

    def published(self, container: Container, inside: int) -> list[int]:
        """The host ports at which a container's port is published; may be empty.

        On IPv4 only: when the kernel chooses, it chooses another port for IPv6.
        """
        bindings = container.attrs["NetworkSettings"]["Ports"].get(f"{inside}/tcp") or []
        return sorted(
            {int(binding["HostPort"]) for binding in bindings if ":" not in binding["HostIp"]}
        )

    def must_publish(
        self, container: Container, inside: int, port: int | str, *, mistake: str | None = None
    ) -> None:
        """Raise NotYet unless a container's port is published at this host port."""
        if int(port) not in self.published(container, inside):
            raise NotYet(
                f"{container.name} runs, but its port {inside} is not published at port {port}.",
                mistake=mistake,
            )

    def file(self, path: str) -> str:
        """The text of a file in the learner's folder, ``$WORK``."""
        try:
            return (self.attempt.work / path).read_text(errors="replace")
        except FileNotFoundError:
            raise NotYet(f"There is no file {path} in your folder.") from None
        except OSError as error:
            raise NotYet(f"{path} cannot be read: {error.strerror}.") from None
