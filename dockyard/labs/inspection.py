"""The daemon's objects as a check sees them: the facts of ``docker inspect``, logs and events.

Methods that return an object raise NotYet, in the learner's words, when there is none. So a check
is a list of expectations in the order in which a learner meets them.
"""

from __future__ import annotations

import re
import time
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.networks import Network
from docker.models.volumes import Volume

from dockyard.core.labels import HOME, REMOVES_ITSELF
from dockyard.labs.attempt import Attempt
from dockyard.labs.lab_catalog import Lab
from dockyard.labs.verdict import NotYet

NOT_FOUND = 127
"""The exit code with which a shell, or the daemon, says that there is no such program."""

HOUR = 3600
"""How far back the events are read, in seconds."""

PRUNING = 30_000_000_000
"""Nanoseconds within which a prune ends after it has removed a container."""

MEGABYTE = 1024 * 1024


def name_of(container: Container) -> str:
    """The name of a container: docker-py's types allow None, which the daemon never sends."""
    return container.name or ""


def networks_of(container: Container) -> list[str]:
    """The names of a container's networks."""
    return sorted(container.attrs["NetworkSettings"]["Networks"])


def option_after_image(container: Container) -> str | None:
    """The option of ``docker run`` that a container has as its program, such as ``--memory``.

    None when its command begins with a program, or when an entry point has taken the option.
    """
    config, state = container.attrs["Config"], container.attrs["State"]
    first, *_ = config["Cmd"] or [""]
    not_found = container.status == "created" or state["ExitCode"] == NOT_FOUND
    return first if first.startswith("-") and not_found else None


def background_part(container: Container) -> str | None:
    """What the shell of a container was told to run in the background, up to its last ``&``."""
    command = " ".join(container.attrs["Config"]["Cmd"] or [])
    found = re.search(r"(.*[^&>|])&(?![&>\d])", command)
    return found[1] if found else None


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
            raise NotYet(f"There is no container called {name}.{self._lost(name)}") from None

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
        container = self.started(name)
        if container.status != "running":
            code = container.attrs["State"]["ExitCode"]
            raise NotYet(
                f"The container {name} is {container.status}"
                + (f", with exit code {code}." if code else ".")
                + self._lost(name)
            )
        return container

    def started(self, name: str) -> Container:
        """The container with this name, which must have been started, running now or not."""
        container = self.container(name)
        error = container.attrs["State"]["Error"]
        option = option_after_image(container)
        if option and (error or container.status == "exited"):
            raise NotYet(
                f"The container {name} was told to run the program {option!r}.",
                mistake="name-after-the-image",
            )
        if container.status != "created":
            return container
        if not error:
            raise NotYet(f"The container {name} was created, and nobody has started it.")
        if "port is already allocated" in error or "address already in use" in error:
            error = "its port is taken"
        raise NotYet(f"The container {name} was created, and could not be started: {error[:200]}.")

    def ended(self, name: str) -> Container:
        """The container with this name, which must have run and ended, and be kept."""
        self.kept(name)
        container = self.started(name)
        if container.status != "exited":
            raise NotYet(f"{name} is {container.status}; it has not ended.")
        return container

    def must_not_be_an_argument(self, name: str) -> None:
        """Raise NotYet when ``--name NAME`` was given to a container's program."""
        if self.has_container(name):
            return
        options = (["--name", name], [f"--name={name}"])
        for each in self.daemon.containers.list(all=True, ignore_removed=True):
            words = each.attrs["Config"]["Cmd"] or []
            # A shell's command line may hold these words in the middle of a text.
            if any(
                words[at : at + len(said)] == said for said in options for at in range(len(words))
            ):
                raise NotYet(
                    f"There is no container called {name}. There is one that was told to run "
                    f"{' '.join(words)!r}.",
                    mistake="name-after-the-image",
                )

    def _lost(self, name: str) -> str:
        """How to get back a container that the scene of the lab, or of a task, has made."""
        lab = self.attempt.lab
        if not isinstance(lab, Lab):
            return ""
        keys = [key for key, value in self.attempt.values.items() if value == name]

        def makes(scene: str) -> bool:
            return any(re.search(rf"--name[ =]\${key}\b", scene) for key in keys)

        if makes(lab.scene):
            return f" The lab made it at its beginning. For another attempt:  {self.anew()}"
        tasks = [task.name for task in lab.exercises if makes(task.scene)]
        where = f"the cell above the answer to {tasks[0]} in labs/{lab.name}.ipynb" if tasks else ""
        return f" It is made by {where}." if tasks else ""

    def anew(self) -> str:
        """What a learner types to begin the lab again, with a new scene."""
        name = self.attempt.lab.name
        return f"%lab {name} --new  (in a terminal: python3 -m dockyard check {name} --new)"

    def kept(self, name: str) -> Container:
        """The container with this name, running or not. Recognises one that removed itself."""
        try:
            return self.container(name)
        except NotYet:
            if gone := self._removals(name):
                labels = gone[-1]["Actor"]["Attributes"]
                itself = REMOVES_ITSELF in labels and labels[REMOVES_ITSELF] == labels.get(HOME)
                raise NotYet(
                    f"There is no container called {name}. It was here, and has been removed.",
                    mistake="removed-itself" if itself else None,
                ) from None
            raise

    def made_from(self, container: Container, reference: str) -> bool:
        """Whether a container was made from this image, or from one that is built on it."""
        try:
            layers, below = self.layers(container.attrs["Image"]), self.layers(reference)
        except NotYet:
            # One of the two has been removed, so only the names are left to compare.
            name: str = container.attrs["Config"]["Image"]
            return name.partition(":")[0] == reference.partition(":")[0]
        return bool(below) and layers[: len(below)] == below

    def must_be_from(self, container: Container, reference: str) -> None:
        """Raise NotYet unless a container was made from this image, or from one built on it."""
        if not self.made_from(container, reference):
            name = container.attrs["Config"]["Image"]
            raise NotYet(f"{container.name} was made from {name[:60]}, not from {reference}.")

    def image(self, reference: str) -> Image:
        """The image with this name and tag. Similar to ``docker image inspect``."""
        try:
            return self.daemon.images.get(reference)
        except ImageNotFound:
            raise NotYet(f"The daemon has no image {reference}.") from None

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

    def log(self, container: Container, tail: int | None = None, *, errors: bool = True) -> str:
        """What a container has printed, or its last lines: both streams, or without errors one.

        Similar to ``docker logs NAME``. Raises NotYet when its log cannot be read.
        """
        try:
            text = container.logs(tail="all" if tail is None else tail, stderr=errors)
            return text.decode(errors="replace")
        except APIError as error:
            if error.status_code != 501:
                raise
            driver = container.attrs["HostConfig"]["LogConfig"]["Type"]
            raise NotYet(
                f"The log of {container.name} cannot be read: its log driver is {driver!r}."
            ) from None

    def variables(self, container: Container) -> dict[str, str]:
        """The environment that a container was created with."""
        variables = container.attrs["Config"].get("Env") or []
        return dict(each.partition("=")[::2] for each in variables)

    def removed(self, name: str) -> bool:
        """Whether a container with this name was removed during the last hour.

        Similar to ``docker events --filter container=NAME --filter event=destroy``.
        """
        return bool(self._removals(name))

    def _removals(self, name: str) -> list[dict[str, Any]]:
        return [
            event
            for event in self._events(event="destroy")
            if event["Actor"]["Attributes"].get("name") == name
        ]

    def stopped_by_its_command(self, container: Container) -> bool:
        """Whether a container ended because the ``docker run`` to which it was tied ended.

        The client passes on the signal that it gets, for example by Ctrl-C.
        """
        if container.status != "exited" or not container.attrs["Config"]["AttachStdout"]:
            return False
        signals = self._events(event="kill", container=container.id)
        return bool(signals) and not self._events(event="stop", container=container.id)

    def pruned(self, *names: str) -> bool:
        """Whether containers with these names were removed by ``docker container prune``.

        The daemon announces a prune when it has removed them.
        """
        prunes = [each for each in self._events(event="prune") if each["Type"] == "container"]
        gone = [self._removals(name)[-1:] for name in names]
        return all(gone) and any(
            all(0 <= prune["timeNano"] - removed["timeNano"] < PRUNING for (removed,) in gone)
            for prune in prunes
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

    def interfaces_of(self, container: Container) -> Container:
        """The container whose network interfaces this one uses; most often itself."""
        mode = container.attrs["HostConfig"]["NetworkMode"]
        kind, _, other = mode.partition(":")
        return self.container(other) if kind == "container" else container

    def doors(self, container: Container) -> dict[int, list[int]]:
        """The host ports by the container's port that they lead to, on IPv4 and TCP.

        On IPv4 only: when the kernel chooses, it chooses another port for IPv6.
        """
        ports = self.interfaces_of(container).attrs["NetworkSettings"]["Ports"] or {}
        found = {}
        for inside, bindings in ports.items():
            number, _, protocol = inside.partition("/")
            outside = {
                int(each["HostPort"]) for each in bindings or () if ":" not in each["HostIp"]
            }
            if protocol == "tcp" and outside:
                found[int(number)] = sorted(outside)
        return found

    def published(self, container: Container, inside: int) -> list[int]:
        """The host ports at which a container's port is published; may be empty."""
        return self.doors(container).get(inside, [])

    def only_exposed(self, container: Container) -> bool:
        """Whether somebody has said ``--expose`` for a container, and published nothing."""
        own = set(container.attrs["Config"].get("ExposedPorts") or ())
        image = container.attrs["Image"]
        return not self.doors(container) and bool(
            own - set(self.settings(image).get("ExposedPorts") or ())
        )

    def is_reversed(self, container: Container, inside: int, port: int | str) -> bool:
        """Whether a container publishes the port PORT inside at the port INSIDE of the host."""
        wanted = container.attrs["HostConfig"]["PortBindings"] or {}
        bindings = wanted.get(f"{port}/tcp") or ()
        return any(each["HostPort"] == str(inside) for each in bindings)

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
