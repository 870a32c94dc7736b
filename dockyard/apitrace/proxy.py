"""The proxy itself: one coroutine a client's connection, requests one after the other."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from dockyard.apitrace import label
from dockyard.apitrace.message import Head, Message, Unreadable
from dockyard.apitrace.publish import Publisher
from dockyard.apitrace.stream import Stream
from dockyard.apitrace.upstream import Upstream

AWAY = (
    "The engine behind the course's front door is not running. "
    "Start it:  python3 -m dockyard engine start"
)


class Proxy:
    """Serves clients' connections; each gets one connection to the daemon at a time."""

    def __init__(self, upstream: Upstream, publisher: Publisher) -> None:
        self._upstream = upstream
        self._publisher = publisher
        self._tasks: set[asyncio.Task[None]] = set()

    def accept(self) -> Stream:
        """A protocol for the server's next connection."""
        return Stream(self._begin)

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, client: Stream) -> None:
        task = asyncio.ensure_future(_Connection(self, client).run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect(self) -> Stream:
        """A new connection to the daemon. Raises OSError."""
        return await self._upstream.connect()

    @property
    def publisher(self) -> Publisher:
        """Where exchanges are told."""
        return self._publisher


class _Connection:
    def __init__(self, proxy: Proxy, client: Stream) -> None:
        self.proxy = proxy
        self.client = client
        self.daemon: Stream | None = None

    async def run(self) -> None:
        """Serve requests until either side is gone."""
        serving = asyncio.ensure_future(self._serve())
        # A client that is killed while the daemon still talks must not keep the daemon busy.
        self.client.on_end = lambda: serving.cancel() if self.client.gone else None
        try:
            await serving
        except (OSError, Unreadable, asyncio.CancelledError):
            pass
        finally:
            self.client.close()
            if self.daemon:
                self.daemon.abort() if self.client.gone else self.daemon.close()

    async def _serve(self) -> None:
        while await self._exchange():
            pass

    async def _exchange(self) -> bool:
        """One request and its response; whether the connection can carry another."""
        request = Message.request()
        try:
            rest = await _head(request, self.client)
        except Unreadable as error:
            await self._refuse(400, f"This is not HTTP: {error}")
            return False
        if rest is None:
            return False
        head = request.head
        lesson = head.get(label.LESSON_HEADER)
        lesson_name = lesson.decode("latin-1") if lesson else None
        record = self.proxy.publisher.begin(head, lesson_name)
        try:
            await self._reach_daemon()
        except OSError:
            await self._refuse(503, AWAY)
            if record:
                record.finish(503)
            return False
        sending = asyncio.ensure_future(self._send_request(request, lesson_name, record))
        try:
            return await self._return_response(head, sending, record)
        finally:
            if not sending.done():
                sending.cancel()
            with suppress(asyncio.CancelledError, OSError, Unreadable):
                await sending

    async def _reach_daemon(self) -> None:
        if self.daemon and (self.daemon.ended or self.daemon.lost):
            self.daemon.close()
            self.daemon = None
        if self.daemon is None:
            self.daemon = await self.proxy.connect()

    async def _send_request(self, request: Message, lesson: str | None, record) -> None:
        head = request.head
        drop = (label.LESSON_HEADER,) if lesson is not None else ()
        if head.get(b"expect"):
            # Answered here, so that the client need not wait for the daemon to say it.
            await self.client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            drop = (*drop, b"expect")
        if label.wants_body(head.method, head.target):
            body = await self._whole_body(request)
            if record:
                record.request_body(body)
            labelled = label.label_body(head.target, body, lesson)
            await self.daemon.send(
                label.rewrite_head(head.raw, length=len(labelled), drop=drop) + labelled
            )
            return
        target = label.label_target(head.method, head.target, lesson)
        raw = head.raw
        if drop or target != head.target:
            raw = label.rewrite_head(raw, target=target, drop=drop)
        await self.daemon.send(raw)
        if not await self._copy_body(request, self.client, self.daemon):
            raise ConnectionResetError("the client stopped in the middle of a body")

    async def _whole_body(self, request: Message) -> bytes:
        request.body_limit = label.LONGEST_BODY
        over = request.read_body(b"")
        while True:
            if request.done:
                self.client.unread(over)
                return bytes(request.body)
            data = await self.client.receive()
            if not data:
                raise ConnectionResetError("the client stopped in the middle of a body")
            over = request.read_body(data)

    async def _copy_body(self, message: Message, source: Stream, target: Stream) -> bool:
        """Pass a body on as it comes; whether it came to its end."""
        data = message.pending  # what lay beyond the head, which the parser has seen already
        over = message.read_body(b"")
        while True:
            ours = data[: len(data) - len(over)] if over else data
            if ours:
                await target.send(ours)
            if message.done:
                source.unread(over)
                return True
            data = await source.receive()
            if not data:
                return False
            over = message.read_body(data)

    async def _return_response(self, head: Head, sending: asyncio.Future, record) -> bool:
        response = Message.response(head)
        rest = await _head(response, self.daemon)
        if rest is None:
            if sending.done() and not sending.cancelled() and sending.exception():
                raise sending.exception()
            return False
        answer = response.head
        await self.client.send(answer.raw)
        if record:
            record.answered(answer)
        if answer.switches:
            await sending
            self.daemon.unread(rest)
            await self._tunnel(record)
            if record:
                record.finish()
            return False
        try:
            # A body without a length ends with the connection (RFC 9112, 6.3).
            complete = await self._copy_body(response, self.daemon, self.client)
        finally:
            if record:
                record.received(response.size)
                record.finish()
        if not sending.done():
            # The daemon answered before it had read the whole request, as for a refused build.
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(sending), 1)
        keep = sending.done() and not sending.cancelled() and not sending.exception()
        return complete and keep and (answer.get(b"connection") or b"").lower() != b"close"

    async def _tunnel(self, record) -> None:
        """Bytes both ways until both directions have ended."""
        up = asyncio.ensure_future(_pump(self.client, self.daemon))
        down = asyncio.ensure_future(_pump(self.daemon, self.client, record))
        try:
            await down
            if not self.daemon.gone:
                await asyncio.wait([up], timeout=None if not self.daemon.hung_up() else 0)
        finally:
            for task in (up, down):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await task

    async def _refuse(self, status: int, message: str) -> None:
        body = json.dumps({"message": message}).encode()
        reason = {400: "Bad Request", 503: "Service Unavailable"}[status]
        with suppress(OSError):
            await self.client.send(
                f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )


async def _head(message: Message, source: Stream) -> bytes | None:
    """Read up to the end of a head; what lies beyond it, or None when the stream ended."""
    while True:
        data = await source.receive()
        if not data:
            return None
        rest = message.read_head(data)
        if rest is not None:
            message.pending = rest
            return rest


async def _pump(source: Stream, target: Stream, record=None) -> None:
    while data := await source.receive():
        if record:
            record.received(len(data))
        await target.send(data)
    target.finish()
