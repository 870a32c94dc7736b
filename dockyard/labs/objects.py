"""What the daemon says about its objects, looked at by a check: the facts of ``inspect``.

Each method says what is wrong in the learner's words by raising NotYet, so that a check is a
list of expectations in the order in which a learner would meet them.
"""

from __future__ import annotations

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
"""Seconds to look back for what has happened."""


class Objects:
    """The daemon's objects, with the values of an attempt: ``look["WEB"]``."""

    def __init__(self, daemon: docker.DockerClient, attempt: Attempt) -> None:
        self.daemon = daemon
        self.attempt = attempt

    def __getitem__(self, name: str) -> str:
        return self.attempt.values[name]

    def container(self, name: str) -> Container:
        """The container of that name. Similar to ``docker inspect NAME``."""
        try:
            return self.daemon.containers.get(name)
        except NotFound:
            raise NotYet(f"There is no container called {name}.") from None

    def has_container(self, name: str) -> bool:
        """Whether there is a container of that name, in whatever state."""
        try:
            return self.daemon.containers.get(name).name == name
        except NotFound:
            return False

    def not_here(self, name: str, there: Container) -> None:
        """What belongs on the daemon in a container must not be on this one."""
        if self.has_container(name):
            raise NotYet(
                f"{name} is a container of the course's daemon, not of {there.name}'s.",
                mistake="another-daemon-was-asked",
            )

    def running(self, name: str) -> Container:
        """The container of that name, which must be running."""
        container = self.container(name)
        if container.status != "running":
            state = container.attrs["State"]
            raise NotYet(
                f"The container {name} is {container.status}"
                + (f", with exit code {state['ExitCode']}." if state["ExitCode"] else ".")
            )
        return container

    def image(self, reference: str) -> Image:
        """The image of that name and tag. Similar to ``docker image inspect``."""
        try:
            return self.daemon.images.get(reference)
        except ImageNotFound:
            raise NotYet(f"The daemon has no image {reference}.") from None

    def layers(self, reference: str) -> list[str]:
        """The digests of an image's layers, from the base upwards; an image may have none."""
        return self.image(reference).attrs["RootFS"].get("Layers") or []

    def settings(self, reference: str) -> dict[str, Any]:
        """What an image says about how to start; an image may say nothing."""
        return self.image(reference).attrs.get("Config") or {}

    def network(self, name: str) -> Network:
        """The network of that name. Similar to ``docker network inspect``."""
        for network in self.daemon.networks.list(names=[name]):
            if network.name == name:
                network.reload()
                return network
        raise NotYet(f"There is no network called {name}.")

    def volume(self, name: str) -> Volume:
        """The volume of that name. Similar to ``docker volume inspect``."""
        try:
            return self.daemon.volumes.get(name)
        except NotFound:
            raise NotYet(f"There is no volume called {name}.") from None

    def removed(self, name: str) -> bool:
        """Whether a container of that name was removed during the last hour.

        Similar to ``docker events --filter container=NAME --filter event=destroy``.
        """
        return any(
            event["Actor"]["Attributes"].get("name") == name
            for event in self._events(event="destroy")
        )

    def started_again(self, container: Container) -> bool:
        """Whether a container was started more than once during the last hour."""
        return len(self._events(event="start", container=container.id)) > 1

    def _events(self, **filters: str) -> list[dict[str, Any]]:
        """What happened during the last hour; the daemon remembers its last 256 events."""
        now = time.time()
        return list(
            self.daemon.events(
                since=f"{now - HOUR:.9f}", until=f"{now:.9f}", filters=filters, decode=True
            )
        )

    def kept(self, name: str) -> Container:
        """The container of that name, which may have ended; one that removed itself is told."""
        try:
            return self.container(name)
        except NotYet:
            if self.removed(name):
                raise NotYet(f"{name} was here and is gone.", mistake="removed-itself") from None
            raise

    def published(self, container: Container, inside: int) -> list[int]:
        """The ports of this computer at which a container's port is published; may be empty.

        Those of its IPv4 addresses: where the kernel chooses, IPv6 gets another one.
        """
        bindings = container.attrs["NetworkSettings"]["Ports"].get(f"{inside}/tcp") or []
        return sorted(
            {int(binding["HostPort"]) for binding in bindings if ":" not in binding["HostIp"]}
        )

    def must_publish(
        self, container: Container, inside: int, port: int | str, *, mistake: str | None = None
    ) -> None:
        """A container's port must be published at that port of this computer."""
        if int(port) not in self.published(container, inside):
            raise NotYet(
                f"{container.name} runs, but its port {inside} is not published at port {port}.",
                mistake=mistake,
            )

    def file(self, path: str) -> str:
        """The text of a file in the learner's folder, $WORK."""
        try:
            return (self.attempt.work / path).read_text(errors="replace")
        except FileNotFoundError:
            raise NotYet(f"There is no file {path} in your folder.") from None
        except OSError as error:
            raise NotYet(f"{path} cannot be read: {error.strerror}.") from None
