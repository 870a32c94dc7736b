"""One side of a proxied connection: bytes in and out, back-pressure, half-close, hang-up."""

from __future__ import annotations

import asyncio
import select
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress

LIMIT = 256 * 1024


class Stream(asyncio.Protocol):
    """A connected socket, read and written by coroutines.

    At most LIMIT bytes wait to be received before reading pauses, and as many again to be
    sent before ``send`` waits. ``on_end`` is called once when the peer stops sending, and
    again when it hangs up after that; ``on_lost`` when the socket is closed.
    """

    def __init__(self, on_connect: Callable[[Stream], None] | None = None) -> None:
        self.on_end: Callable[[], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        self.ended = False
        self.gone = False
        self._on_connect = on_connect
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._full = False
        self._lost = False
        self._finished = False
        self._descriptor = -1
        self.transport: asyncio.Transport

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and tell the owner."""
        self.transport = transport  # type: ignore[assignment]
        sock = transport.get_extra_info("socket")
        self._descriptor = sock.fileno() if sock else -1
        if self._on_connect:
            self._on_connect(self)

    def data_received(self, data: bytes) -> None:
        """Queue what arrived; stop reading when too much waits."""
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting > LIMIT:
            self.transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        """Note the end of what the peer sends; keep our own direction open."""
        self._end(gone=_hung_up(self._descriptor))
        if not self.gone:
            HangupWatch.of_running_loop().watch(self._descriptor, self._hang_up)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        HangupWatch.of_running_loop().forget(self._descriptor)
        self._lost = True
        self._end(gone=True)
        if self.on_lost:
            self.on_lost()
        if self._writer and not self._writer.done():
            self._writer.set_exception(ConnectionResetError("the peer is gone"))

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._full = False
        _wake(self._writer)

    # What coroutines call

    async def receive(self) -> bytes:
        """The next bytes, or an empty string when the peer has stopped sending."""
        while not self._pieces:
            if self.ended:
                return b""
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = self._pieces.popleft()
        self._waiting -= len(data)
        if self._waiting <= LIMIT and not self.ended and not self._lost:
            self.transport.resume_reading()
        return data

    def unread(self, data: bytes) -> None:
        """Put bytes back, to be received next."""
        if data:
            self._pieces.appendleft(data)
            self._waiting += len(data)

    async def send(self, data: bytes) -> None:
        """Send bytes; wait while too many are queued. Raises ConnectionResetError."""
        if self._lost or self._finished:
            raise ConnectionResetError("the peer is gone")
        self._write(data)
        if self._full:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await self._writer
            finally:
                self._writer = None

    @property
    def drained(self) -> bool:
        """Whether everything received so far has been taken."""
        return not self._pieces

    @property
    def lost(self) -> bool:
        """Whether the socket is closed on our side too."""
        return self._lost

    def finish(self) -> None:
        """Stop sending, once what is queued has gone, and keep receiving."""
        if not self._lost and not self._finished:
            self._finished = True
            with suppress(OSError):
                self.transport.write_eof()

    def close(self) -> None:
        """Close, once what is queued has gone."""
        if not self._lost:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if not self._lost:
            self.transport.abort()

    def hung_up(self) -> bool:
        """Whether the peer has closed both directions, though we may not have read so far."""
        return self.gone or _hung_up(self._descriptor)

    def _write(self, data: bytes) -> None:
        self.transport.write(data)

    def _hang_up(self) -> None:
        self._end(gone=True)

    def _end(self, gone: bool) -> None:
        changed = not self.ended or (gone and not self.gone)
        self.ended = True
        self.gone = self.gone or gone
        _wake(self._reader)
        if changed and self.on_end:
            self.on_end()


class HangupWatch:
    """Notices that a peer which had only stopped sending has now gone altogether.

    asyncio no longer watches a socket after the end of its input. The kernel reports a
    hang-up to a poll that asks for nothing else, and one such poll can itself be watched
    (epoll(7)). Only Linux tells a half-closed UNIX socket from a closed one this way;
    elsewhere the next write finds out.
    """

    _by_loop: dict[asyncio.AbstractEventLoop, HangupWatch] = {}  # noqa: RUF012

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._calls: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll() if sys.platform == "linux" else None
        if self._epoll:
            loop.add_reader(self._epoll.fileno(), self._ready)

    @classmethod
    def of_running_loop(cls) -> HangupWatch:
        """The one watch of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in cls._by_loop:
            cls._by_loop[loop] = cls(loop)
        return cls._by_loop[loop]

    def watch(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call once when the peer of a UNIX socket hangs up."""
        if self._epoll and descriptor >= 0 and descriptor not in self._calls:
            self._epoll.register(descriptor, 0)
            self._calls[descriptor] = call

    def forget(self, descriptor: int) -> None:
        """Stop watching, before the descriptor is closed."""
        if self._calls.pop(descriptor, None) and self._epoll:
            with suppress(OSError):
                self._epoll.unregister(descriptor)

    def _ready(self) -> None:
        assert self._epoll
        for descriptor, _ in self._epoll.poll(0):
            call = self._calls.get(descriptor)
            self.forget(descriptor)
            if call:
                call()


def _hung_up(descriptor: int) -> bool:
    if sys.platform != "linux" or descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter and not waiter.done():
        waiter.set_result(None)
