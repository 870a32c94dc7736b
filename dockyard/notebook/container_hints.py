"""Hints on containers that docker does not find, which ask the daemon what became of them.

output is what a command that failed has printed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from dockyard.core import docker_client
from dockyard.exceptions import DockyardError

if TYPE_CHECKING:
    import docker

T = TypeVar("T")
HOUR = 3600
PATIENCE = 5
"""Seconds that a daemon has for its answer; without one there is no hint."""


def gone(output: str) -> str | None:
    """The container was there and has been removed: by its own ``--rm``, or by another cell."""
    if not (name := _not_found(output)):
        return None
    now = time.time()
    span: dict[str, Any] = {"since": f"{now - HOUR:.0f}", "until": f"{now:.9f}", "decode": True}
    happened = _ask(lambda daemon: list(daemon.events(filters={"type": "container"}, **span)))
    for event in reversed(happened or ()):
        actor = event["Actor"]
        named = actor["Attributes"].get("name") == name or actor["ID"].startswith(name)
        if named and event["Action"] == "destroy":
            return (
                f"{name} was here and was removed {_ago(now - event['time'])}. "
                "Run the cell that creates it again."
            )
    return None


def cut_id(output: str) -> str | None:
    """The letters stand in the middle of a container's id."""
    name = _not_found(output)
    if not name or not re.fullmatch(r"[0-9a-f]{3,64}", name):
        return None
    there = _ask(lambda daemon: daemon.api.containers(all=True)) or []
    inside = [each for each in there if each["Id"].find(name) > 0]
    if len(inside) != 1 or any(each["Id"].startswith(name) for each in there):
        return None
    (found,) = inside
    return (
        f"{name} is not the beginning of an id. You may leave letters out at its end only: "
        f"{found['Id'][:12]}, or the name, {found['Names'][0].lstrip('/')}."
    )


def _not_found(output: str) -> str | None:
    """What docker has looked for in vain. Only the first: the others may have been found."""
    found = re.search(r"No such container: ([\w.-]+)\s*$", output, re.MULTILINE)
    return found[1] if found else None


def _ask(question: Callable[[docker.DockerClient], T]) -> T | None:
    import docker
    import requests

    try:
        with closing(docker_client.connect(PATIENCE, untraced=True)) as daemon:
            return question(daemon)
    except (docker.errors.DockerException, requests.RequestException, DockyardError):
        return None


def _ago(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "just now"
    return "a minute ago" if minutes == 1 else f"{minutes} minutes ago"
