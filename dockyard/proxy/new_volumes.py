"""Notes the volumes without a name that a new container brings about."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from dockyard.core import volume_notes
from dockyard.core.labels import CHECK
from dockyard.core.volume_notes import Note, is_anonymous
from dockyard.proxy.http_message import Head, Message, read_answer
from dockyard.proxy.labelling import lesson_of
from dockyard.proxy.stream import Stream
from dockyard.proxy.upstream import Upstream

LIMIT = 4 * 1024 * 1024
"""More bytes describe no container."""

_INSPECT = b"GET /containers/%s/json HTTP/1.1\r\nHost: docker\r\n\r\n"


def body_limit(head: Head) -> int:
    """How many bytes note() needs of the response to a request."""
    makes_container = head.method == b"POST" and head.endpoint == "/containers/create"
    return LIMIT if makes_container else 0


async def note(upstream: Upstream, head: Head, response: Message) -> None:
    """Note the volumes that a request has brought about, if the daemon has made a container.

    What cannot be found out is not noted.
    """
    if not body_limit(head) or not response.head or response.head.status != 201:
        return
    # A connection of its own: the daemon closes the client's if the client asks for that.
    with suppress(OSError, ValueError, KeyError, TypeError):
        daemon = await upstream.connect()
        try:
            await _note(daemon, json.loads(response.body)["Id"], lesson_of(head))
        finally:
            daemon.close()


async def _note(daemon: Stream, id: str, lesson: str | None) -> None:
    container = await _inspect(daemon, id)
    found = {name for name in _volumes(container) if is_anonymous(name)}
    if not found or CHECK in (container["Config"].get("Labels") or {}):
        # A check makes many containers, and removes them with their volumes.
        return
    host = container["HostConfig"]
    found -= {bind.split(":")[0] for bind in host.get("Binds") or ()}
    found -= {mount.get("Source") for mount in host.get("Mounts") or ()}
    for other in host.get("VolumesFrom") or ():
        found -= set(_volumes(await _inspect(daemon, other.split(":")[0])))
    for name in found:
        volume_notes.take(Note(name, lesson, container["Name"].lstrip("/")))


def _volumes(container: dict[str, Any]) -> list[str]:
    mounts = [each for each in container["Mounts"] if each["Type"] == "volume"]
    # A bind without a source, as docker-py sends it, has no name there: …/volumes/NAME/_data.
    return [each.get("Name") or PurePosixPath(each["Source"]).parent.name for each in mounts]


async def _inspect(daemon: Stream, name: str) -> dict[str, Any]:
    """A container (Docker Engine API: ContainerInspect). Raises ValueError."""
    answer = await read_answer(daemon, b"GET", _INSPECT % quote(name).encode(), LIMIT)
    if answer is None or not answer.head or answer.head.status != 200:
        raise ValueError(name)
    found: dict[str, Any] = json.loads(answer.body)
    return found
