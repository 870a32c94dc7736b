"""One client's connection, from its first request to its end."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from dockyard.apitrace import label
from dockyard.apitrace.journal import BODY_LIMIT, UNTRACED_HEADER, Entry, Journal
from dockyard.apitrace.message import Head, Message, Unreadable
from dockyard.apitrace.stream import Stream
from dockyard.apitrace.upstream import Upstream

OURS = (label.LESSON_HEADER, UNTRACED_HEADER)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LINGER = 2.0
AWAY = (
    "The engine behind the course's front door is not running ({reason}). "
    "Start it:  python3 -m dockyard engine start"
)
AWAY_HEAD = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n"
)


class Connection:
    """Carries exchanges between one client and a connection of its own to the daemon.

    Bytes go on as they came, except heads and bodies that get labels. What is not HTTP goes
    on untouched: the daemon says what it thinks of it.
    """

    def __init__(self, client: Stream, upstream: Upstream, journal: Journal) -> None:
        self.client = client
        self.daemon: Stream | None = None
        self._upstream = upstream
        self._journal = journal
        self._entry: Entry | None = None
        # Set while nothing but the end of the other side can be expected of it.
        self._client_may_go = False
        self._daemon_may_go = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Serve the client until either side ends; the task never fails for their reasons."""
        self.client.on_end = self._client_ended
        self._task = asyncio.create_task(self._run())
        return self._task

    async def _run(self) -> None:
        try:
            while await self._exchange():
                pass
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._end_entry()
            self.client.close()
            if self.daemon:
                self.daemon.close()

    # Ends

    def _client_ended(self) -> None:
        if not self._client_may_go or not self.client.drained:
            return
        if self.client.gone:
            self._cancel()
        elif self.daemon:
            self.daemon.finish()

    def _daemon_ended(self) -> None:
        if self._daemon_may_go:
            self._cancel()

    def _cancel(self) -> None:
        assert self._task
        self._task.cancel()

    # One exchange

    async def _exchange(self) -> bool:
        """Carry one request and its answer. False when the connection is over."""
        self._client_may_go, self._daemon_may_go = False, True
        request = Message.request()
        try:
            head, rest = await self._read_request_head(request)
        except Unreadable:
            if await self._reach(None):
                await self._tunnel()
            return False
        if head is None or not await self._reach(head):
            return False
        assert self.daemon
        self._daemon_may_go = False
        self._entry = self._journal.begin(head)
        if self._entry and self._entry.json:
            request.body_limit = BODY_LIMIT
        upload = await self._send_request(head, rest, request)
        try:
            return await self._answer(head, upload)
        finally:
            if upload:
                upload.cancel()

    async def _read_request_head(self, request: Message) -> tuple[Head | None, bytes]:
        taken = b""
        while data := await self.client.receive():
            taken += data
            try:
                rest = request.read_head(data)
            except Unreadable:
                self.client.unread(taken)
                raise
            if rest is not None:
                return request.head, rest
        if taken:
            self.client.unread(taken)
            raise Unreadable("the client stopped in the middle of a head")
        return None, b""

    # The request

    async def _send_request(
        self, head: Head, rest: bytes, request: Message
    ) -> asyncio.Task[None] | None:
        """Send the request; a task does what is left when the body is not here yet.

        rest is what came together with the head.
        """
        assert self.daemon
        named = head.get(label.LESSON_HEADER)
        lesson = named.decode("utf-8", "replace") if named else None
        if label.wants_body(head.method, head.target):
            message = await self._labelled(head, rest, request, lesson)
        else:
            target = label.label_target(head.method, head.target, lesson)
            raw = head.raw
            if target != head.target or any(head.get(name) is not None for name in OURS):
                raw = label.rewrite_head(raw, target, drop=OURS)
            message = raw + self._body_part(request, b"", rest)
        await self.daemon.send(message)
        if request.done or self.client.ended:
            self._request_sent(request)
            return None
        return asyncio.create_task(self._upload(request))

    async def _labelled(
        self, head: Head, rest: bytes, request: Message, lesson: str | None
    ) -> bytes:
        request.body_limit = label.LONGEST_BODY
        body = self._body_part(request, b"", rest)
        drop = OURS
        if not request.done and (head.get(b"expect") or b"").lower() == b"100-continue":
            drop = (*OURS, b"expect")
            await self.client.send(CONTINUE)
        while not request.done and request.size < label.LONGEST_BODY:
            data = await self.client.receive()
            if not data:
                break
            body += self._body_part(request, data, data)
        if request.done:
            labelled = label.label_body(head.target, bytes(request.body), lesson)
            if labelled != request.body:
                return label.rewrite_head(head.raw, length=len(labelled), drop=drop) + labelled
        return label.rewrite_head(head.raw, drop=drop) + body

    async def _upload(self, request: Message) -> None:
        assert self.daemon
        try:
            while not request.done:
                data = await self.client.receive()
                if not data:
                    break
                await self.daemon.send(self._body_part(request, data, data))
        except ConnectionError:
            # The daemon reads no more; its answer may still be on the way.
            return
        self._request_sent(request)

    def _body_part(self, request: Message, fresh: bytes, data: bytes) -> bytes:
        """The part of data that belongs to the request; the rest is kept for the next.

        fresh is what the message has not seen of it.
        """
        try:
            left = request.read_body(fresh)
        except Unreadable:
            # The daemon will refuse it. Until then it gets what the client sends.
            return data
        if not left:
            return data
        self.client.unread(left)
        return data[: len(data) - len(left)]

    def _request_sent(self, request: Message) -> None:
        if self._entry:
            self._entry.body = bytes(request.body[:BODY_LIMIT])
            self._entry.sent = request.size
        self._client_may_go = True
        if self.client.ended:
            self._client_ended()

    # The answer

    async def _answer(self, head: Head, upload: asyncio.Task[None] | None) -> bool:
        """Pass the answer on. False when the connection is over."""
        assert self.daemon
        answer = Message.response(head)
        while not answer.done:
            data = await self.daemon.receive()
            if not data:
                return False
            try:
                left = self._follow(answer, data)
            except Unreadable:
                left = None
            if left is None:
                await self.client.send(data)
                await self._tunnel(len(data))
                return False
            if self._entry:
                self._entry.received = answer.size
            if answer.done:
                self._end_entry()
            await self.client.send(data[: len(data) - len(left)] if left else data)
            self.daemon.unread(left)
        self._daemon_may_go = True
        if self.daemon.ended:
            return False
        if upload and not upload.done():
            await upload
        return True

    def _follow(self, answer: Message, data: bytes) -> bytes | None:
        """What data holds beyond the answer; None when the answer switches protocols."""
        if answer.head is not None:
            return answer.read_body(data)
        if answer.read_head(data) is None:
            return b""
        assert answer.head
        if self._entry:
            self._entry.answer(answer.head)
        return None if answer.head.switches else answer.read_body(b"")

    # Bytes both ways

    async def _tunnel(self, received: int = 0) -> None:
        """Pass bytes both ways until both sides have ended, or one is gone."""
        assert self.daemon
        self._client_may_go = False
        if self._entry:
            self._entry.received += received
        up = asyncio.create_task(self._pump_up())
        try:
            while data := await self.daemon.receive():
                if self._entry:
                    self._entry.received += len(data)
                await self.client.send(data)
            self._end_entry()
            self.client.finish()
            self._daemon_may_go = True
            if not self.daemon.gone:
                await up
        finally:
            up.cancel()

    async def _pump_up(self) -> None:
        assert self.daemon
        try:
            while data := await self.client.receive():
                if self._entry:
                    self._entry.sent += len(data)
                await self.daemon.send(data)
        except ConnectionError:
            return
        self._client_may_go = True
        self._client_ended()

    # The daemon

    async def _reach(self, head: Head | None) -> bool:
        if self.daemon:
            return True
        try:
            self.daemon = await self._upstream.connect()
        except OSError as error:
            await self._refuse(head, error)
            return False
        self.daemon.on_end = self._daemon_ended
        return True

    async def _refuse(self, head: Head | None, error: OSError) -> None:
        """Answer in the daemon's place, in its own form."""
        reason = error.strerror or str(error) or type(error).__name__
        body = json.dumps({"message": AWAY.format(reason=reason)}, ensure_ascii=False).encode()
        answer = AWAY_HEAD % len(body)
        if head is None or head.method != b"HEAD":
            answer += body
        if head and (entry := self._journal.begin(head)):
            entry.answer(Head(answer, (), status=503))
            entry.end()
        await self.client.send(answer)
        self.client.finish()
        with suppress(TimeoutError):
            # A client that is still sending a body would not see the answer otherwise.
            async with asyncio.timeout(LINGER):
                while await self.client.receive():
                    pass

    def _end_entry(self) -> None:
        if self._entry:
            self._entry.end()
            self._entry = None
