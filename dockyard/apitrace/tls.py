"""A stream over TLS that can stop sending and still receive.

asyncio's own TLS cannot (``can_write_eof()`` is false), and ``docker exec -i`` needs it: the
end of its input is a close_notify, after which the daemon goes on answering (RFC 8446, 6.1).
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from dockyard.apitrace.stream import Stream

_PIECE = 64 * 1024


class TlsStream(Stream):
    """The client's end of a TLS connection."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._secured: asyncio.Future[None] | None = None

    async def secured(self) -> None:
        """Shake hands. Raises ssl.SSLError, or ConnectionResetError when the peer goes."""
        self._secured = asyncio.get_running_loop().create_future()
        self._shake_hands()
        try:
            await self._secured
        finally:
            self._secured = None

    def data_received(self, data: bytes) -> None:
        """Decrypt what arrived."""
        self._incoming.write(data)
        if self._secured:
            self._shake_hands()
            if self._secured is not None and not self._secured.done():
                return
        self._decrypt()

    def eof_received(self) -> bool:
        """The connection below has ended without a close_notify, or after one."""
        self._fail(ConnectionResetError("the daemon closed the connection"))
        self._end(gone=False)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._fail(exc or ConnectionResetError("the daemon closed the connection"))
        super().connection_lost(exc)

    def finish(self) -> None:
        """Send close_notify and keep receiving."""
        if not self._lost and not self._finished:
            self._finished = True
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()

    def _write(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def _shake_hands(self) -> None:
        assert self._secured
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._flush()
            self._fail(error)
            return
        self._flush()
        if not self._secured.done():
            self._secured.set_result(None)

    def _decrypt(self) -> None:
        try:
            while True:
                data = self._tls.read(_PIECE)
                if not data:
                    self._end(gone=False)
                    return
                super().data_received(data)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self._end(gone=False)
        except ssl.SSLError:
            self.abort()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.transport.write(self._outgoing.read())

    def _fail(self, error: Exception) -> None:
        if self._secured and not self._secured.done():
            self._secured.set_exception(error)
