"""Ports of this computer's loopback."""

from __future__ import annotations

import socket


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a server could listen on that port of this computer's address now."""
    with socket.socket() as probe:
        # Connections of an ended server linger for a minute and are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def choose(*preferred: int) -> int:
    """The first free port of those preferred (0 counts as none), else the kernel's choice."""
    for port in preferred:
        if port and is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
