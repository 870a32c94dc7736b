"""A network namespace of its own for this process, from which nothing outside can be reached.

See network_namespaces(7), unshare(2) and setns(2).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from dataclasses import dataclass

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class NetworkNamespace:
    """A namespace with a loopback interface only, entered by the calling thread.

    Processes and threads that it starts from then on are in the namespace, too. The kernel removes
    the namespace, with its interfaces and packet filter rules, after its last process.
    """

    _outside: int | None = None

    def enter(self) -> None:
        """Make the namespace and enter it, unless that is done. Needs root; raises OSError."""
        if self._outside is not None:
            return
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _check(_libc.unshare(CLONE_NEWNET))
        except OSError:
            os.close(outside)
            raise
        self._outside = outside
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def leave(self) -> None:
        """Go back to where enter() was called, if it was."""
        if self._outside is None:
            return
        _check(_libc.setns(self._outside, CLONE_NEWNET))
        os.close(self._outside)
        self._outside = None


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
