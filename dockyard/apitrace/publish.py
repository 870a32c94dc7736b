"""Telling subscribers about exchanges, over a second socket; what nobody asks for costs nothing."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field

from dockyard.apitrace import label
from dockyard.apitrace.message import Head

LONGEST_BODY = 4096
SECRET_HEADERS = (b"x-registry-auth", b"x-registry-config", b"authorization")
STREAMS = re.compile(
    rb"/events|/build|/containers/[^/]+/(?:logs|stats|export|wait)|/images/(?:create|load|get)"
    rb"|/images/.+/(?:push|get)|/(?:services|tasks)/[^/]+/logs|/plugins/pull"
)
"""The paths whose answers come bit by bit while something happens (Docker Engine API)."""

BACKLOG = 64 * 1024 * 1024
"""Bytes that may wait for a slow subscriber before it is dropped."""


@dataclass(eq=False)
class Subscriber:
    """One connection that reads records; lesson None means all lessons."""

    writer: asyncio.StreamWriter
    lesson: str | None

    def tell(self, document: dict) -> None:
        """Queue one line of JSON."""
        if self.writer.transport.get_write_buffer_size() > BACKLOG:
            self.writer.transport.abort()
            return
        self.writer.write(json.dumps(document).encode() + b"\n")


@dataclass(eq=False)
class Record:
    """One exchange while it goes on."""

    subscribers: list[Subscriber]
    number: int
    path: bytes
    began: float = field(default_factory=time.monotonic)
    size: int = 0

    def tell(self, event: str, **facts) -> None:
        """Tell everybody who wanted to know."""
        for subscriber in self.subscribers:
            subscriber.tell({"event": event, "number": self.number, **facts})

    def request_body(self, body: bytes) -> None:
        """What the client asked for, when that is JSON."""
        try:
            document = json.loads(body[:LONGEST_BODY].decode()) if body else None
        except ValueError:
            document = None
        self.tell("body", body=document)

    def answered(self, head: Head) -> None:
        """The response has begun."""
        streams = head.status == 200 and STREAMS.fullmatch(self.path)
        kind = "upgrade" if head.switches else "stream" if streams else "plain"
        self.tell("answer", status=head.status, kind=kind)

    def received(self, size: int) -> None:
        """So many bytes came back."""
        self.size += size

    def finish(self, status: int | None = None) -> None:
        """The exchange is over; status only when the daemon never answered."""
        facts = {} if status is None else {"status": status}
        self.tell("end", ms=(time.monotonic() - self.began) * 1000, size=self.size, **facts)


class Publisher:
    """The records socket's side of the front door."""

    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()
        self._number = 0

    def begin(self, head: Head, lesson: str | None) -> Record | None:
        """Note a request; None when nobody wants to know."""
        wanted = [each for each in self._subscribers if each.lesson in (None, lesson)]
        if not wanted:
            return None
        self._number += 1
        record = Record(wanted, self._number, label.path_of(head.target))
        record.tell(
            "request",
            method=head.method.decode("latin-1"),
            target=head.target.decode("latin-1"),
            path=label.path_of(head.target).decode("latin-1"),
            lesson=lesson,
            headers={
                key.decode("latin-1"): "…" if key in SECRET_HEADERS else value.decode("latin-1")
                for key, value in head.headers
                if key != label.LESSON_HEADER
            },
        )
        return record

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One subscriber: a line that says what it wants, then ``flush`` lines."""
        subscriber = None
        try:
            wish = json.loads(await reader.readline() or b"{}")
            subscriber = Subscriber(writer, wish.get("lesson"))
            self._subscribers.add(subscriber)
            subscriber.tell({"event": "subscribed"})
            while await reader.readline():
                subscriber.tell({"event": "flushed"})
                await writer.drain()
        except (ValueError, AttributeError, OSError):
            pass
        finally:
            self._subscribers.discard(subscriber)
            writer.close()
