"""Says what runs on after a command in a cell was interrupted.

``docker run`` passes SIGINT on to the container. Process 1 of a container gets only the signals
that it handles (pid_namespaces(7)), so such a container often runs on. ``docker exec`` passes no
signals on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from typing import Any

import docker
import requests

from dockyard.core import docker_client
from dockyard.core.labels import COURSE, LESSON
from dockyard.exceptions import DockyardError

CLOCKS = timedelta(seconds=0.5)
"""How much the answer of the daemon about its time may be late."""


class Interrupted(KeyboardInterrupt):
    """A command was interrupted, so the cell ends with it."""

    def _render_traceback_(self) -> list[str]:
        """The lines that a notebook shows instead of a traceback (an IPython protocol)."""
        return str(self).splitlines()


def explain(command: str, seconds: float, *, killed: bool) -> Interrupted:
    """The exception for a command that ran for some seconds and was interrupted.

    killed says that it did not end by itself. The message names the containers that it started
    and that still run, and how to stop them.
    """
    lines: list[str] = []
    # Only such a command is certain to have started what began with it.
    if re.search(r"\bdocker\b", command):
        # Otherwise the daemon has stopped, and its containers with it.
        with (
            suppress(
                DockyardError, docker.errors.DockerException, requests.RequestException, OSError
            ),
            closing(docker_client.connect(timeout=3, untraced=True)) as daemon,
        ):
            lines = list(_explain(daemon, command, timedelta(seconds=seconds), killed))
    return Interrupted("\n".join(["Interrupted.", *lines]))


def _explain(
    daemon: docker.DockerClient, command: str, age: timedelta, killed: bool
) -> Iterator[str]:
    if not (running := _running(daemon)):
        return
    began = _time(daemon.info()["SystemTime"]) - age - CLOCKS
    started = [each for each in running if _time(each["State"]["StartedAt"]) >= began]
    used = re.search(r"\bdocker\s+(?:container\s+)?(attach|exec)\s", command)
    named = [each for each in running if used and _names(command, each)]
    if used and used[1] == "attach":
        started += [each for each in named if each not in started]
    if started:
        yield from _containers_run_on(started, killed)
    if used and used[1] == "exec":
        for each in named:
            if any(_exec_runs(daemon, id) for id in each["ExecIDs"] or ()):
                name = _name(each)
                yield f"What docker exec started in {name} runs on: it gets no signals from here."
                yield f"Stop it with the container:  docker restart {name}"


def _containers_run_on(containers: list[dict[str, Any]], killed: bool) -> Iterator[str]:
    names = [_name(each) for each in containers]
    plural = len(names) > 1
    yield f"The container{'s' * plural} {', '.join(names)} run{'s' * (not plural)} on."
    deaf = killed and not all(each["HostConfig"].get("Init") for each in containers)
    if deaf:
        yield (
            "Process 1 of a container ignores the signals that it does not handle; with  --init  "
            "it is another process, which SIGINT ends."
        )
    stop = "kill" if deaf else "stop"
    yield f"Stop {'them' if plural else 'it'}:  docker {stop} {' '.join(names)}"


def _running(daemon: docker.DockerClient) -> list[dict[str, Any]]:
    """The running containers of this lesson, each as the daemon describes it."""
    lesson = docker_client.lesson()
    label = f"{LESSON}={lesson}" if lesson else COURSE
    found = []
    for each in daemon.api.containers(filters={"label": label}):
        try:
            found.append(daemon.api.inspect_container(each["Id"]))
        except docker.errors.NotFound:
            continue
    return [each for each in found if each["State"]["Running"]]


def _exec_runs(daemon: docker.DockerClient, id: str) -> bool:
    try:
        return bool(daemon.api.exec_inspect(id)["Running"])
    except docker.errors.NotFound:
        return False


def _names(command: str, container: dict[str, Any]) -> bool:
    """Whether a word of the command is the name or the id of the container."""
    words = re.split(r"[\s'\";&|()]+", command)
    return any(
        word == _name(container) or (len(word) >= 4 and container["Id"].startswith(word))
        for word in words
    )


def _name(container: dict[str, Any]) -> str:
    return str(container["Name"]).removeprefix("/")


def _time(text: str) -> datetime:
    """A time as the daemon writes it (RFC 3339, with nanoseconds)."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
