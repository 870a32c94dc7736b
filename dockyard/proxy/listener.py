"""Accepting connections."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress

BACKLOG = 4096
"""Connections that may wait; Linux allows no more by default (net.core.somaxconn)."""

_AT_ONCE = 64
_BREATH = 0.5
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """Hands every connection to a listening socket to a function, until it is closed."""

    def __init__(self, sock: socket.socket, accepted: Callable[[socket.socket], None]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._accepted = accepted
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _accept(self) -> None:
        # Not all that wait at once: those that are connected have work to do.
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                # Too many open files: those who wait go on waiting until some are closed.
                self._loop.remove_reader(self._socket.fileno())
                self._loop.call_later(_BREATH, self._resume)
                return
            self._accepted(connection)

    def _resume(self) -> None:
        with suppress(OSError, ValueError):
            self._loop.add_reader(self._socket.fileno(), self._accept)
