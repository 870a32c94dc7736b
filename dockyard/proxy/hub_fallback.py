"""Answers ``docker pull`` in Docker Hub's place, where Hub cannot be reached.

On a learner's own daemon the course cannot set a mirror, so it brings its images there itself.
A pull of one of them is then answered as the daemon would answer for an image that is current,
and the answer says so. Everything else goes to the daemon.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from urllib.parse import parse_qs, quote

from dockyard.proxy import labelling
from dockyard.proxy.http_message import Head, Message, Unreadable
from dockyard.proxy.stream import Stream

_ASK = b"GET /images/%s/json HTTP/1.1\r\nHost: docker\r\n\r\n"
_OWN = Head(b"", (), method=b"GET")
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
TOLD = "Docker Hub cannot be reached from here. The course has brought this image itself."


class StandIn:
    """The images, such as ``busybox:latest``, for which no pull goes to Docker Hub."""

    def __init__(self, references: Collection[str] = ()) -> None:
        self._references = frozenset(references)

    def reference(self, head: Head) -> str | None:
        """The image that a request wants to pull, if it is one of these."""
        if not self._references or head.method != b"POST":
            return None
        if labelling.path_of(head.target) != b"/images/create":
            return None
        query = parse_qs(head.target.partition(b"?")[2].decode("latin-1"))
        if "fromSrc" in query or query.get("platform", [""])[0]:
            return None
        name = query.get("fromImage", [""])[0]
        for prefix in ("docker.io/", "library/"):
            name = name.removeprefix(prefix)
        if tag := query.get("tag", [""])[0]:
            name = f"{name}:{tag}"
        if ":" not in name:
            return None  # every tag is wanted (Docker Engine API: ImageCreate)
        return name if name in self._references else None

    async def has(self, daemon: Stream, reference: str) -> bool:
        """Whether the daemon has the image (Docker Engine API: ImageInspect)."""
        answer = Message.response(_OWN)
        await daemon.send(_ASK % quote(reference).encode())
        try:
            while not answer.done and (data := await daemon.receive()):
                daemon.unread(answer.read(data))
        except Unreadable:
            return False
        return answer.done and answer.head is not None and answer.head.status == 200

    def answer(self, reference: str) -> bytes:
        """What the client gets: the form of ``docker pull`` for an image that is current."""
        name, _, tag = reference.partition(":")
        told = (
            {"status": f"Pulling from library/{name}", "id": tag},
            {"status": TOLD},
            {"status": f"Status: Image is up to date for {reference}"},
        )
        body = b"".join(json.dumps(each).encode() + b"\r\n" for each in told)
        return _ANSWER % len(body) + body
