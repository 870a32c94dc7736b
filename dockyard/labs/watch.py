"""Notices when something happened that could complete a task, so that checks need not run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound

from dockyard import cleanup
from dockyard.core import paths
from dockyard.core.labels import CHECK
from dockyard.core.volume_notes import is_anonymous
from dockyard.labs import executions
from dockyard.labs.attempt import Attempt

READING = ("archive-path", "top", "save", "exec_detach")
"""Events that a check itself causes when it looks into an object, and that change nothing."""

SETTLING = 1.5
"""Seconds after a change; containerd has the name of an image that is built before all of it."""


class Watch:
    """What has happened on the daemon and in the learner's folder since it was last asked."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._since = time.time()
        self._before: object = None
        self._helpers: set[str] = set()
        self._settled: float | None = None

    def changed(self, daemon: docker.DockerClient) -> bool:
        """Whether something could have completed a task since the last call; true at first.

        True once more when a change has settled.
        Raises docker.errors.DockerException or requests.RequestException.
        """
        until = time.time()
        # With fractions of a second, which the daemon accepts and the SDK's types do not.
        span: dict[str, Any] = {"since": f"{self._since:.9f}", "until": f"{until:.9f}"}
        # A list, so that all events are read: a helper is recognised by its first one.
        happened = [
            event
            for event in list(foreign(daemon.events(decode=True, **span), self._helpers))
            if not _is_health_check(daemon, event)
        ]
        self._since, before, self._before = until, self._before, self._silent(daemon)
        if happened or before != self._before:
            self._settled = until + SETTLING
            return True
        settles = self._settled is not None and until >= self._settled
        if settles:
            self._settled = None
        return settles

    def _silent(self, daemon: docker.DockerClient) -> object:
        """What changes without an event: images built by BuildKit, and the learner's files."""
        images = cleanup.list_images(daemon.api)
        folders = (self._attempt.work, paths.docker_config(self._attempt.lesson))
        return (
            sorted([image["Id"], *(image["RepoTags"] or ())] for image in images),
            [_files(folder) for folder in folders],
        )


def foreign(events: Iterable[dict[str, Any]], helpers: set[str]) -> Iterator[dict[str, Any]]:
    """The events that could complete a task and were not caused by a check.

    Otherwise each check would trigger the next one. helpers are the ids of the checks' own
    containers and the names of their volumes; new ones are added.
    """
    events = list(events)
    for event in events:
        attributes = event["Actor"]["Attributes"] or {}
        # A volume without a name is announced before the container that it is made for.
        volume = event["Type"] == "volume" and is_anonymous(event["Actor"]["ID"])
        if CHECK in attributes or (volume and attributes.get("container") in helpers):
            helpers.add(event["Actor"]["ID"])
    of_checks = executions.known()
    for event in events:
        attributes = event["Actor"]["Attributes"] or {}
        if event["Actor"]["ID"] in helpers or attributes.get("execID") in of_checks:
            continue
        # Events of networks and volumes carry no labels, but the id of the container.
        if attributes.get("container") not in helpers and not event["Action"].startswith(READING):
            yield event


def _is_health_check(daemon: docker.DockerClient, event: dict[str, Any]) -> bool:
    """Whether the daemon itself has run a program in a container, to see how it is."""
    if not event["Action"].startswith("exec_"):
        return False
    try:
        config = daemon.api.inspect_container(event["Actor"]["ID"])["Config"]
    except NotFound:
        return False
    _, *test = (config.get("Healthcheck") or {}).get("Test") or [""]
    # exec_die names no program; the exec_create before it does.
    return bool(test) and (
        event["Action"].endswith(" ".join(test)) or event["Action"] == "exec_die"
    )


def _files(folder: Path) -> dict[Path, int]:
    files: dict[Path, int] = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            files[path] = path.lstat().st_mtime_ns
    return files
