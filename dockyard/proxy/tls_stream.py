"""A stream over TLS that supports half-close.

asyncio's TLS does not (``can_write_eof()`` is false), and ``docker exec -i`` needs it: the end
of its input is a close_notify, after which the daemon still responds (RFC 8446, 6.1).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

from dockyard.proxy.stream import READ_SIZE, Stream


class TlsStream(Stream):
    """The client side of a TLS connection."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        super().__init__(sock)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._handshake: asyncio.Future[None] | None = None

    async def handshake(self) -> None:
        """Complete the TLS handshake. Raises ssl.SSLError or ConnectionResetError."""
        self._handshake = self._loop.create_future()
        self._continue_handshake()
        try:
            await self._handshake
        finally:
            self._handshake = None

    def write_eof(self) -> None:
        """Send close_notify and keep receiving."""
        if not self._eof_written and not self.closed:
            with suppress(ssl.SSLError, OSError):
                with suppress(ssl.SSLWantReadError):
                    self._tls.unwrap()
                self._flush()
            self._eof_written = True

    def _feed(self, data: bytes) -> None:
        self._incoming.write(data)
        if self._handshake and not self._handshake.done():
            self._continue_handshake()
            if not self._handshake.done():
                return
        try:
            while plain := self._tls.read(READ_SIZE):
                super()._feed(plain)
            self._feed_eof(hung_up=False)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._feed_eof(hung_up=False)
        except ssl.SSLError as error:
            self._fail_handshake(error)

    def _feed_eof(self, hung_up: bool) -> None:
        self._fail_handshake(ConnectionResetError("the daemon closed the connection"))
        super()._feed_eof(hung_up)

    def _write(self, data: bytes) -> None:
        if self._eof_written:
            raise ConnectionResetError("the connection is closed")
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        self._flush()

    def _flushed(self) -> None:
        if self._closing:
            self.abort()

    def _continue_handshake(self) -> None:
        assert self._handshake
        try:
            with suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
                self._handshake.set_result(None)
            self._flush()
        except (ssl.SSLError, OSError) as error:
            with suppress(OSError):
                self._flush()
            self._fail_handshake(error)

    def _flush(self) -> None:
        if self._outgoing.pending:
            super()._write(self._outgoing.read())

    def _fail_handshake(self, error: OSError) -> None:
        if self._handshake and not self._handshake.done():
            self._handshake.set_exception(error)
