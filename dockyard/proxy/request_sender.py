"""Sends a client's request on to the daemon, with labels where it creates something."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from dockyard.proxy import labelling
from dockyard.proxy.http_message import Message, ProtocolError, ask
from dockyard.proxy.labelling import InvalidBody
from dockyard.proxy.publisher import BODY_LIMIT, UNTRACED_HEADER, ExchangeRecord
from dockyard.proxy.stream import Stream

COURSE_HEADERS = (labelling.LESSON_HEADER, UNTRACED_HEADER)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestSender:
    """Sends one request whose head has been read and whose body is still to come."""

    def __init__(
        self,
        request: Message,
        client: Stream,
        daemon: Stream,
        record: ExchangeRecord | None,
        on_sent: Callable[[], None],
    ) -> None:
        assert request.head
        self._head = request.head
        self._request = request
        self._client = client
        self._daemon = daemon
        self._record = record
        self._on_sent = on_sent
        self._lesson = labelling.lesson_of(request.head)
        if record and record.json:
            request.body_limit = BODY_LIMIT

    @property
    def done(self) -> bool:
        """Whether the whole request has been sent."""
        return self._request.done

    async def begin(self, rest: bytes) -> None:
        """Send the head and rest, the bytes that arrived with it. Raises InvalidBody."""
        head = self._head
        if labelling.wants_body(head):
            await self._send_labelled(rest)
        else:
            target = labelling.label_target(head, self._lesson)
            raw = head.raw
            if target != head.target or any(head.get(name) is not None for name in COURSE_HEADERS):
                raw = labelling.rewrite_head(raw, target, drop=COURSE_HEADERS)
            await self._daemon.send(raw + self._part(b"", rest))
        if self.done:
            self._finish()

    async def send_rest(self) -> None:
        """Send the rest of the body as it arrives; never raises."""
        with suppress(ConnectionError):
            # The daemon may stop reading while its response is still on the way.
            while not self.done and (data := await self._client.receive()):
                await self._daemon.send(self._part(data, data))
            self._finish()

    async def _send_labelled(self, rest: bytes) -> None:
        """Read the whole body and send the request with labels. Raises InvalidBody.

        Nothing goes to the daemon before the body is complete: Go's decoder stops at the end of
        the JSON value, and the daemon would create something from half a body.
        """
        head, request = self._head, self._request
        drop: tuple[bytes, ...] = (*COURSE_HEADERS, b"expect")
        body = await self._read_body(rest)
        content = bytes(request.body)
        labelled, first = labelling.label_body(head, content, self._lesson)
        for each in first:
            # The client's own request meets the reason for a refusal again, and shows it.
            await ask(self._daemon, b"POST", each)
        if labelled == content:
            raw = labelling.rewrite_head(head.raw, drop=drop) + body
        else:
            if not content:
                drop = (*drop, b"content-type")
            add = () if content else (b"Content-Type: application/json",)
            raw = labelling.rewrite_head(head.raw, length=len(labelled), drop=drop, add=add)
            raw += labelled
        await self._daemon.send(raw)

    async def _read_body(self, rest: bytes) -> bytes:
        """Read the body to its end; return it as framed by the client. Raises InvalidBody."""
        request, body = self._request, rest
        request.body_limit = labelling.MAX_BODY_SIZE
        try:
            left = request.read_body(b"")
            if not request.done and (self._head.get(b"expect") or b"").lower() == b"100-continue":
                await self._client.send(CONTINUE)
            while not request.done and request.size <= labelling.MAX_BODY_SIZE:
                if not (data := await self._client.receive()):
                    raise InvalidBody("invalid JSON: the body ended early")
                left = request.read_body(data)
                body += data
        except ProtocolError as error:
            raise InvalidBody(f"invalid JSON: {error}") from None
        if request.size > labelling.MAX_BODY_SIZE:
            raise InvalidBody(f"the body is longer than {labelling.MAX_BODY_SIZE} bytes")
        self._client.unread(left)
        return body[: len(body) - len(left)]

    def _part(self, fresh: bytes, data: bytes) -> bytes:
        """The part of data that belongs to this request; the client's stream keeps the rest.

        fresh is the part of data that the message has not parsed yet.
        """
        try:
            left = self._request.read_body(fresh)
        except ProtocolError:
            # The daemon will refuse it. Until then it gets what the client sends.
            return data
        self._client.unread(left)
        return data[: len(data) - len(left)] if left else data

    def _finish(self) -> None:
        if self._record:
            self._record.body = bytes(self._request.body[:BODY_LIMIT])
            self._record.sent = self._request.size
        self._on_sent()
