"""One side of a proxied connection: bytes in and out, back-pressure, half-close, hang-up.

Sockets are used as they are, not through asyncio's transports: those cost a fifth of a
millisecond a connection, drop what has arrived when a write fails, and lose sight of a peer
once it has stopped sending.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from dockyard.proxy.hangup import HangupWatch, hung_up

PIECE = 256 * 1024
LIMIT = 256 * 1024


class Stream:
    """A connected socket, read and written by coroutines.

    At most LIMIT bytes, and one piece, wait to be received before reading pauses, and as many
    to be sent before ``send`` waits. ``on_end`` is called when the peer stops sending, and
    again when it hangs up after that; ``on_close`` when the socket is closed here.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.on_end: Callable[[], None] | None = None
        self.on_close: Callable[[], None] | None = None
        self.ended = False
        self.gone = False
        self.closed = False
        self._socket = sock
        self._descriptor = sock.fileno()
        self._loop = asyncio.get_running_loop()
        self._hangups = HangupWatch.of(self._loop)
        self._arrived: deque[bytes] = deque()
        self._waiting = 0
        self._leaving: deque[memoryview] = deque()
        self._unsent = 0
        self._receiver: asyncio.Future[None] | None = None
        self._sender: asyncio.Future[None] | None = None
        self._paused = False
        self._finished = False
        self._closing = False
        self._loop.add_reader(self._descriptor, self._readable)

    # Receiving

    async def receive(self) -> bytes:
        """The next bytes, or an empty string when the peer has stopped sending."""
        while not self._arrived:
            if self.ended:
                return b""
            self._receiver = self._loop.create_future()
            try:
                await self._receiver
            finally:
                self._receiver = None
        data = self._arrived.popleft()
        self._waiting -= len(data)
        if self._paused and self._waiting <= LIMIT and not self.ended:
            self._paused = False
            self._loop.add_reader(self._descriptor, self._readable)
        return data

    def unread(self, data: bytes) -> None:
        """Put bytes back, to be received next."""
        if data:
            self._arrived.appendleft(data)
            self._waiting += len(data)

    @property
    def drained(self) -> bool:
        """Whether everything received so far has been taken."""
        return not self._arrived

    def hung_up(self) -> bool:
        """Whether the peer has closed both directions, though we may not have read so far."""
        return self.gone or hung_up(self._descriptor)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end(gone=True)
            return
        if data:
            self._take(data)
        else:
            self._end(gone=hung_up(self._descriptor))

    def _take(self, data: bytes) -> None:
        """Queue what has arrived; stop reading when too much waits."""
        self._arrived.append(data)
        self._waiting += len(data)
        if self._waiting > LIMIT and not self._paused:
            self._paused = True
            self._loop.remove_reader(self._descriptor)
        _wake(self._receiver)

    def _end(self, gone: bool) -> None:
        if self.closed or self.gone or (self.ended and not gone):
            return
        if not self.ended:
            self._loop.remove_reader(self._descriptor)
        self.ended = True
        self.gone = gone
        if not gone:
            self._hangups.watch(self._descriptor, lambda: self._end(gone=True))
        _wake(self._receiver)
        if self.on_end:
            self.on_end()

    # Sending

    async def send(self, data: bytes) -> None:
        """Send bytes; wait while too many are queued. Raises ConnectionResetError."""
        try:
            self._write(data)
        except OSError as error:
            raise ConnectionResetError(str(error)) from error
        if self._unsent > LIMIT:
            self._sender = self._loop.create_future()
            try:
                await self._sender
            finally:
                self._sender = None

    def finish(self) -> None:
        """Stop sending, once what is queued has gone, and keep receiving."""
        if not self._finished and not self.closed:
            self._finished = True
            if not self._leaving:
                self._after_the_last()

    def close(self) -> None:
        """Close, once what is queued has gone."""
        self._closing = True
        if not self.closed and not self.ended:
            self._loop.remove_reader(self._descriptor)
        if not self._leaving:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self.closed:
            return
        self.closed = self.ended = self.gone = True
        self._hangups.forget(self._descriptor)
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._socket.close()
        self._leaving.clear()
        _wake(self._receiver)
        self._fail(ConnectionResetError("the connection is closed"))
        if self.on_close:
            self.on_close()

    def _write(self, data: bytes) -> None:
        if self.closed or self._finished:
            raise ConnectionResetError("the connection is closed")
        rest = memoryview(data)
        if not self._leaving:
            with suppress(BlockingIOError, InterruptedError):
                rest = rest[self._socket.send(data) :]
            if not rest:
                return
            self._loop.add_writer(self._descriptor, self._writable)
        self._leaving.append(rest)
        self._unsent += len(rest)

    def _writable(self) -> None:
        try:
            while self._leaving:
                rest = self._leaving.popleft()
                sent = 0
                try:
                    sent = self._socket.send(rest)
                finally:
                    self._unsent -= sent
                    if sent < len(rest):
                        self._leaving.appendleft(rest[sent:])
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            # Nothing more can be sent; what has arrived can still be received.
            self._leaving.clear()
            self._unsent = 0
            self._fail(error)
        if self._unsent <= LIMIT:
            _wake(self._sender)
        if not self._leaving:
            self._loop.remove_writer(self._descriptor)
            self._after_the_last()

    def _after_the_last(self) -> None:
        if self._closing:
            self.abort()
        elif self._finished:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def _fail(self, error: OSError) -> None:
        if self._sender and not self._sender.done():
            self._sender.set_exception(ConnectionResetError(str(error)))


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter and not waiter.done():
        waiter.set_result(None)
