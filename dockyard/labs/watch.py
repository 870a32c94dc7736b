"""Notices when something happened that could complete a task, so that checks need not run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker

from dockyard.core import paths
from dockyard.core.labels import CHECK
from dockyard.labs.attempt import Attempt

READING = ("exec_", "archive-path", "top", "save")
"""Events that a check itself causes when it looks into an object, and that change nothing."""


class Watch:
    """What has happened on the daemon and in the learner's folder since it was last asked."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._since = time.time()
        self._before: object = None
        self._helpers: set[str] = set()

    def changed(self, daemon: docker.DockerClient) -> bool:
        """Whether something could have completed a task since the last call; true at first.

        Raises docker.errors.DockerException or requests.RequestException.
        """
        until = time.time()
        # With fractions of a second, which the daemon accepts and the SDK's types do not.
        span: dict[str, Any] = {"since": f"{self._since:.9f}", "until": f"{until:.9f}"}
        # A list, so that all events are read: a helper is recognised by its first one.
        happened = list(foreign(daemon.events(decode=True, **span), self._helpers))
        self._since, before, self._before = until, self._before, self._silent(daemon)
        return bool(happened) or before != self._before

    def _silent(self, daemon: docker.DockerClient) -> object:
        """What changes without an event: images built by BuildKit, and the learner's files."""
        images = daemon.api.images()
        folders = (self._attempt.work, paths.docker_config(self._attempt.lesson))
        return (
            sorted([image["Id"], *(image["RepoTags"] or ())] for image in images),
            [_files(folder) for folder in folders],
        )


def foreign(events: Iterable[dict[str, Any]], helpers: set[str]) -> Iterator[dict[str, Any]]:
    """The events that could complete a task and were not caused by a check.

    Otherwise each check would trigger the next one. helpers are the ids of the checks' own
    containers; new ones are added.
    """
    for event in events:
        attributes = event["Actor"]["Attributes"] or {}
        if CHECK in attributes:
            helpers.add(event["Actor"]["ID"])
        # Events of networks and volumes carry no labels, but the id of the container.
        elif attributes.get("container") not in helpers and not event["Action"].startswith(READING):
            yield event


def _files(folder: Path) -> dict[Path, int]:
    files: dict[Path, int] = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            files[path] = path.lstat().st_mtime_ns
    return files
