"""Sends a request on to the daemon, labelled where it creates something."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from dockyard.proxy import labelling
from dockyard.proxy.http_message import Head, Message, Unreadable
from dockyard.proxy.journal import BODY_LIMIT, UNTRACED_HEADER, Entry
from dockyard.proxy.stream import Stream

OURS = (labelling.LESSON_HEADER, UNTRACED_HEADER)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OWN = Head(b"", (), method=b"POST")


class Forwarding:
    """One request on its way: its head has been read, its body is still to come."""

    def __init__(
        self,
        request: Message,
        client: Stream,
        daemon: Stream,
        entry: Entry | None,
        when_sent: Callable[[], None],
    ) -> None:
        assert request.head
        self._head = request.head
        self._request = request
        self._client = client
        self._daemon = daemon
        self._entry = entry
        self._when_sent = when_sent
        lesson = request.head.get(labelling.LESSON_HEADER)
        self._lesson = lesson.decode("utf-8", "replace") if lesson else None
        if entry and entry.json:
            request.body_limit = BODY_LIMIT

    @property
    def done(self) -> bool:
        """Whether the whole request has been sent."""
        return self._request.done

    async def begin(self, rest: bytes) -> None:
        """Send the head, and what came together with it: rest."""
        head = self._head
        if labelling.wants_body(head.method, head.target):
            message = await self._labelled(rest)
        else:
            target = labelling.label_target(head.method, head.target, self._lesson)
            raw = head.raw
            if target != head.target or any(head.get(name) is not None for name in OURS):
                raw = labelling.rewrite_head(raw, target, drop=OURS)
            message = raw + self._part(b"", rest)
        await self._daemon.send(message)
        if self.done:
            self._sent()

    async def go_on(self) -> None:
        """Send what is left of the body as it comes; never fails."""
        with suppress(ConnectionError):
            # The daemon may read no more while its answer is still on the way.
            while not self.done and (data := await self._client.receive()):
                await self._daemon.send(self._part(data, data))
            self._sent()

    async def _labelled(self, rest: bytes) -> bytes:
        """The request with labels, or as it came when it cannot have any."""
        head, request = self._head, self._request
        request.body_limit = labelling.LONGEST_BODY
        body = self._part(b"", rest)
        drop = OURS
        if not request.done and (head.get(b"expect") or b"").lower() == b"100-continue":
            drop = (*OURS, b"expect")
            await self._client.send(CONTINUE)
        while not request.done and request.size < labelling.LONGEST_BODY:
            data = await self._client.receive()
            if not data:
                break
            body += self._part(data, data)
        if request.done:
            content = bytes(request.body)
            for first in labelling.volume_requests(head.target, content, self._lesson):
                await self._ask(first)
            labelled = labelling.label_body(head.target, content, self._lesson)
            if labelled != content:
                return labelling.rewrite_head(head.raw, length=len(labelled), drop=drop) + labelled
        return labelling.rewrite_head(head.raw, drop=drop) + body

    async def _ask(self, raw: bytes) -> None:
        """Send the daemon a request of our own and read its answer away.

        A refusal is left to the client's own request, which then meets the same reason.
        """
        answer = Message.response(OWN)
        await self._daemon.send(raw)
        with suppress(Unreadable):
            while not answer.done and (data := await self._daemon.receive()):
                answer.read(data)

    def _part(self, fresh: bytes, data: bytes) -> bytes:
        """The part of data that belongs to the request; the rest is kept for the next.

        fresh is what the message has not seen of it.
        """
        try:
            left = self._request.read_body(fresh)
        except Unreadable:
            # The daemon will refuse it. Until then it gets what the client sends.
            return data
        self._client.unread(left)
        return data[: len(data) - len(left)] if left else data

    def _sent(self) -> None:
        if self._entry:
            self._entry.body = bytes(self._request.body[:BODY_LIMIT])
            self._entry.sent = self._request.size
        self._when_sent()
