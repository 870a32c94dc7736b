"""Accepts connections."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress

BACKLOG = 4096
"""How many connections may wait; Linux's default limit (net.core.somaxconn)."""

_ACCEPTED_AT_ONCE = 64
_RETRY_DELAY = 0.5
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """Calls a function with every connection to a listening socket, until it is closed."""

    def __init__(self, sock: socket.socket, accepted: Callable[[socket.socket], None]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._accepted = accepted
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._accept)

    def close(self) -> None:
        """Stop accepting."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _accept(self) -> None:
        # Not every waiting connection at once: the open ones have work to do.
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                # Too many open files: the waiting connections stay in the queue for now.
                self._loop.remove_reader(self._socket.fileno())
                self._loop.call_later(_RETRY_DELAY, self._resume)
                return
            self._accepted(connection)

    def _resume(self) -> None:
        with suppress(OSError, ValueError):
            self._loop.add_reader(self._socket.fileno(), self._accept)
