"""TCP ports on loopback."""

from __future__ import annotations

import errno
import socket


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a server could listen on this port now; address is one of this computer's."""
    with socket.socket() as probe:
        # Without it, connections in TIME_WAIT block the port for a minute after a server stops.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def refuses(port: int, address: str = "127.0.0.1") -> bool:
    """Whether no server listens on this port; False when one does that never answers."""
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex((address, port)) == errno.ECONNREFUSED


def choose(*preferred: int) -> int:
    """The first of the preferred ports that is one and is free, else one the kernel picks."""
    for port in preferred:
        if 0 < port < 65536 and is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
