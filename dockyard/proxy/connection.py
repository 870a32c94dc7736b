"""One client's connection: requests to the daemon, responses back, upgrades."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from dockyard.proxy import labelling, new_volumes
from dockyard.proxy.build_labels import BuildLabels
from dockyard.proxy.http_message import Head, Message, ProtocolError
from dockyard.proxy.hub_fallback import HubFallback
from dockyard.proxy.labelling import InvalidBody
from dockyard.proxy.publisher import ExchangeRecord, Publisher
from dockyard.proxy.request_sender import RequestSender
from dockyard.proxy.stream import Stream
from dockyard.proxy.upstream import Upstream

LINGER_TIMEOUT = 2.0
"""How long a refused client may go on sending before the connection is closed, in seconds."""

ENGINE_AWAY = (
    "The engine behind the course's front door is not running ({reason}). "
    "Start it:  python3 -m dockyard engine start"
)
_REASONS = {400: b"Bad Request", 503: b"Service Unavailable"}
_REFUSAL = (
    b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n"
)


class Connection:
    """Carries the exchanges between one client and one connection to the daemon.

    Bytes are passed on as received, except heads and bodies that get labels. What is not HTTP/1
    is passed on untouched, for the daemon to answer.
    """

    def __init__(
        self, client: Stream, upstream: Upstream, publisher: Publisher, hub_fallback: HubFallback
    ) -> None:
        self.client = client
        self.daemon: Stream | None = None
        self._hub_fallback = hub_fallback
        self._upstream = upstream
        self._publisher = publisher
        self._record: ExchangeRecord | None = None
        # A side is idle while the only thing expected from it is its end of file.
        self._client_idle = False
        self._daemon_idle = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Serve the client until either side closes. Lost connections do not fail the task."""
        self.client.on_eof = self._client_eof
        self._task = asyncio.create_task(self._run())
        return self._task

    async def _run(self) -> None:
        try:
            while await self._exchange():
                pass
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._end_record()
            self.client.close()
            if self.daemon:
                self.daemon.close()

    # End of file

    def _client_eof(self) -> None:
        if not self._client_idle or not self.client.drained:
            return
        if self.client.hung_up:
            self._cancel()
        elif self.daemon:
            self.daemon.write_eof()

    def _daemon_eof(self) -> None:
        if self._daemon_idle:
            self._cancel()

    def _cancel(self) -> None:
        assert self._task
        self._task.cancel()

    # One exchange

    async def _exchange(self) -> bool:
        """Carry one request and its response. Returns False when the connection is over."""
        self._client_idle, self._daemon_idle = False, True
        request = Message.request()
        try:
            head, rest = await self._read_request_head(request)
        except ProtocolError as error:
            await self._pass_on_unparsed(error)
            return False
        if head is None or not (daemon := await self._connect(head)):
            return False
        self._daemon_idle = False
        self._record = self._publisher.begin(head)
        if (image := self._hub_fallback.reference(head)) and (
            await self._hub_fallback.has(daemon, image)
        ):
            return await self._respond(request, self._hub_fallback.response(image))
        sender = RequestSender(request, self.client, daemon, self._record, self._on_request_sent)
        try:
            await sender.begin(rest)
        except InvalidBody as error:
            await self._refuse(400, str(error), head)
            return False
        upload = None if sender.done else asyncio.create_task(sender.send_rest())
        try:
            return await self._pass_on_response(daemon, head, upload)
        finally:
            if upload:
                upload.cancel()

    async def _read_request_head(self, request: Message) -> tuple[Head | None, bytes]:
        taken = b""
        try:
            while data := await self.client.receive():
                taken += data
                if (rest := request.read_head(data)) is not None:
                    return request.head, rest
            if taken:
                raise ProtocolError("the client stopped in the middle of a head")
        except ProtocolError:
            self.client.unread(taken)
            raise
        return None, b""

    async def _pass_on_unparsed(self, error: ProtocolError) -> None:
        """Pass on bytes that h11 cannot parse, unless the daemon might create something."""
        start = await self.client.receive()
        self.client.unread(start)
        if start.startswith(b"POST "):
            await self._refuse(400, f"malformed HTTP request: {error}", None)
        elif daemon := await self._connect(None):
            await self._tunnel(daemon)

    def _on_request_sent(self) -> None:
        self._client_idle = True
        if self.client.eof:
            self._client_eof()

    async def _respond(self, request: Message, response: bytes) -> bool:
        """Respond in place of the daemon, after the request's body. Returns False at EOF."""
        left = request.read_body(b"")
        while not request.done:
            data = await self.client.receive()
            if not data:
                return False
            left = request.read_body(data)
        if self._record:
            self._record.respond(Head(response, (), status=200))
        self._end_record()
        await self.client.send(response)
        self.client.unread(left)
        self._daemon_idle = True
        return True

    async def _pass_on_response(
        self, daemon: Stream, head: Head, upload: asyncio.Task[None] | None
    ) -> bool:
        """Pass the response on. Returns False when the connection is over."""
        response = Message.response(head.method)
        response.body_limit = new_volumes.body_limit(head)
        while True:
            data = await daemon.receive()
            if not data:
                if response.head is None:
                    await self._refuse_with_reason(daemon, head, upload)
                return False
            try:
                left = response.read(data)
                if self._record and response.head and self._record.status is None:
                    self._record.respond(response.head)
                hijacked = response.head is not None and response.head.hijacks
            except ProtocolError:
                hijacked = True
            if hijacked:
                if self._record:
                    in_head = len(response.head.raw) if response.head else 0
                    self._record.received = len(data) - in_head
                await self.client.send(data)
                await self._tunnel(daemon, upload, labelling.build_labels(head))
                return False
            if self._record:
                self._record.received = response.size
            if response.done:
                self._end_record()
                # Before the client knows a new container, and can remove it.
                await new_volumes.note(self._upstream, head, response)
            await self.client.send(data[: len(data) - len(left)] if left else data)
            daemon.unread(left)
            if response.done:
                break
        self._daemon_idle = True
        if daemon.eof:
            return False
        if upload and not upload.done():
            await upload
        return True

    # Bytes in both directions

    async def _tunnel(
        self,
        daemon: Stream,
        upload: asyncio.Task[None] | None = None,
        builds: BuildLabels | None = None,
    ) -> None:
        """Pass bytes in both directions until both sides have sent EOF or one hangs up."""
        up = asyncio.create_task(self._pump_up(daemon, upload, builds))
        try:
            while data := await daemon.receive():
                if self._record:
                    self._record.received += len(data)
                await self.client.send(data)
            self._end_record()
            self.client.write_eof()
            self._daemon_idle = True
            if not daemon.hung_up:
                await up
        finally:
            up.cancel()

    async def _pump_up(
        self, daemon: Stream, upload: asyncio.Task[None] | None, builds: BuildLabels | None
    ) -> None:
        if upload:
            await upload
        self._client_idle = False
        try:
            while data := await self.client.receive():
                if self._record:
                    self._record.sent += len(data)
                if passed := builds.feed(data) if builds else data:
                    await daemon.send(passed)
            if builds and (left := builds.end()):
                await daemon.send(left)
        except ConnectionError:
            return
        self._client_idle = True
        self._client_eof()

    # The daemon

    async def _connect(self, head: Head | None) -> Stream | None:
        """The connection to the daemon, opened if need be; None when the client was refused."""
        if self.daemon and not self.daemon.eof:
            return self.daemon
        if self.daemon:
            self.daemon.close()
        try:
            self.daemon = await self._upstream.connect()
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            await self._refuse(503, ENGINE_AWAY.format(reason=reason), head)
            return None
        self.daemon.on_eof = self._daemon_eof
        return self.daemon

    async def _refuse_with_reason(
        self, daemon: Stream, head: Head, upload: asyncio.Task[None] | None
    ) -> None:
        """Refuse a request that the daemon did not answer, if it is known why."""
        if not (reason := await daemon.why_ended()):
            return
        if upload and not upload.done():
            # Only one task may read what the client sends.
            upload.cancel()
            await asyncio.wait([upload])
        await self._refuse(503, ENGINE_AWAY.format(reason=reason), head)

    async def _refuse(self, status: int, message: str, head: Head | None) -> None:
        """Answer with an error in the daemon's form, and read what the client still sends."""
        body = json.dumps({"message": message}, ensure_ascii=False).encode()
        response = _REFUSAL % (status, _REASONS[status], len(body))
        if head is None or head.method != b"HEAD":
            response += body
        if head and not self._record:
            self._record = self._publisher.begin(head)
        if self._record:
            self._record.respond(Head(response, (), status=status))
        self._end_record()
        await self.client.send(response)
        self.client.write_eof()
        with suppress(TimeoutError):
            # A client in the middle of its body would otherwise not see the response.
            async with asyncio.timeout(LINGER_TIMEOUT):
                while await self.client.receive():
                    pass

    def _end_record(self) -> None:
        if self._record:
            self._record.end()
            self._record = None
