"""Answers ``docker pull`` in place of Docker Hub when Hub cannot be reached.

The course cannot set a registry mirror on a learner's own daemon, so it loads its images there
itself. A pull of one of them gets the answer that the daemon gives for an image that is up to
date, with a line that says so. Every other request goes to the daemon.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from urllib.parse import parse_qs, quote

from dockyard.proxy.http_message import Head, ask
from dockyard.proxy.stream import Stream

_INSPECT = b"GET /images/%s/json HTTP/1.1\r\nHost: docker\r\n\r\n"
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
NOTE = "Docker Hub cannot be reached from here. The course has brought this image itself."


class HubFallback:
    """The images, such as ``busybox:latest``, whose pulls do not go to Docker Hub."""

    def __init__(self, references: Collection[str] = ()) -> None:
        self._references = frozenset(references)

    def reference(self, head: Head) -> str | None:
        """Return the image that a request pulls, if it is one of these."""
        if not self._references or head.method != b"POST" or head.endpoint != "/images/create":
            return None
        query = parse_qs(head.query)
        if "fromSrc" in query or query.get("platform", [""])[0]:
            return None
        name = query.get("fromImage", [""])[0]
        for prefix in ("docker.io/", "library/"):
            name = name.removeprefix(prefix)
        if tag := query.get("tag", [""])[0]:
            name = f"{name}:{tag}"
        # Without a tag the request pulls every tag (Docker Engine API: ImageCreate).
        return name if name in self._references else None

    async def has(self, daemon: Stream, reference: str) -> bool:
        """Ask the daemon whether it has the image (Docker Engine API: ImageInspect)."""
        response = await ask(daemon, b"GET", _INSPECT % quote(reference).encode())
        return response is not None and response.status == 200

    def response(self, reference: str) -> bytes:
        """The response to a pull of an image that is up to date.

        Chunked, as the daemon's is: Docker's SDK takes any other for a single JSON value.
        """
        name, _, tag = reference.partition(":")
        lines = (
            {"status": f"Pulling from library/{name}", "id": tag},
            {"status": NOTE},
            {"status": f"Status: Image is up to date for {reference}"},
        )
        parts = [json.dumps(line).encode() + b"\r\n" for line in lines]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))
        return _RESPONSE + chunks
