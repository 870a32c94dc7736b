"""One client's connection, from its first request to its end."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from dockyard.proxy.forward import Forwarding
from dockyard.proxy.http_message import Head, Message, Unreadable
from dockyard.proxy.hub_fallback import StandIn
from dockyard.proxy.journal import Entry, Journal
from dockyard.proxy.stream import Stream
from dockyard.proxy.upstream import Upstream

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

    def __init__(
        self, client: Stream, upstream: Upstream, journal: Journal, stand_in: StandIn
    ) -> None:
        self.client = client
        self._stand_in = stand_in
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
        if (image := self._stand_in.reference(head)) and await self._stand_in.has(
            self.daemon, image
        ):
            return await self._answer_myself(request, self._stand_in.answer(image))
        forwarding = Forwarding(request, self.client, self.daemon, self._entry, self._request_sent)
        await forwarding.begin(rest)
        upload = None if forwarding.done else asyncio.create_task(forwarding.go_on())
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

    def _request_sent(self) -> None:
        self._client_may_go = True
        if self.client.ended:
            self._client_ended()

    async def _answer_myself(self, request: Message, answer: bytes) -> bool:
        """Answer in Docker Hub's place, after the request's body. False at the client's end."""
        left = request.read_body(b"")
        while not request.done:
            data = await self.client.receive()
            if not data:
                return False
            left = request.read_body(data)
        if self._entry:
            self._entry.answer(Head(answer, (), status=200))
        self._end_entry()
        await self.client.send(answer)
        self.client.unread(left)
        self._daemon_may_go = True
        return True

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
                left = answer.read(data)
                if self._entry and answer.head and self._entry.status is None:
                    self._entry.answer(answer.head)
                tunnel = answer.head is not None and answer.head.switches
            except Unreadable:
                tunnel = True
            if tunnel:
                if self._entry:
                    self._entry.received = len(data) - len(answer.head.raw if answer.head else b"")
                await self.client.send(data)
                await self._tunnel(upload)
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

    # Bytes both ways

    async def _tunnel(self, upload: asyncio.Task[None] | None = None) -> None:
        """Pass bytes both ways until both sides have ended, or one is gone."""
        assert self.daemon
        up = asyncio.create_task(self._pump_up(upload))
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

    async def _pump_up(self, upload: asyncio.Task[None] | None) -> None:
        assert self.daemon
        if upload:
            await upload
        self._client_may_go = False
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
        if self.daemon and not self.daemon.ended:
            return True
        if self.daemon:
            self.daemon.close()
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
