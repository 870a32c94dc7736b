"""A stream over TLS that can stop sending and still receive.

asyncio's own TLS cannot (``can_write_eof()`` is false), and ``docker exec -i`` needs it: the
end of its input is a close_notify, after which the daemon goes on answering (RFC 8446, 6.1).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress

from dockyard.proxy.stream import PIECE, Stream


class TlsStream(Stream):
    """The client's end of a TLS connection."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        super().__init__(sock)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._secured: asyncio.Future[None] | None = None

    async def secure(self) -> None:
        """Shake hands. Raises ssl.SSLError, or ConnectionResetError when the peer goes."""
        self._secured = self._loop.create_future()
        self._shake_hands()
        try:
            await self._secured
        finally:
            self._secured = None

    def finish(self) -> None:
        """Send close_notify and keep receiving."""
        if not self._finished and not self.closed:
            with suppress(ssl.SSLError, OSError):
                with suppress(ssl.SSLWantReadError):
                    self._tls.unwrap()
                self._flush()
            self._finished = True

    def _take(self, data: bytes) -> None:
        self._incoming.write(data)
        if self._secured and not self._secured.done():
            self._shake_hands()
            if not self._secured.done():
                return
        try:
            while plain := self._tls.read(PIECE):
                super()._take(plain)
            self._end(gone=False)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end(gone=False)
        except ssl.SSLError as error:
            self._refuse(error)

    def _end(self, gone: bool) -> None:
        self._refuse(ConnectionResetError("the daemon closed the connection"))
        super()._end(gone)

    def _write(self, data: bytes) -> None:
        if self._finished:
            raise ConnectionResetError("the connection is closed")
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        self._flush()

    def _after_the_last(self) -> None:
        if self._closing:
            self.abort()

    def _shake_hands(self) -> None:
        assert self._secured
        try:
            with suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()
                self._secured.set_result(None)
            self._flush()
        except (ssl.SSLError, OSError) as error:
            with suppress(OSError):
                self._flush()
            self._refuse(error)

    def _flush(self) -> None:
        if self._outgoing.pending:
            super()._write(self._outgoing.read())

    def _refuse(self, error: OSError) -> None:
        if self._secured and not self._secured.done():
            self._secured.set_exception(error)
