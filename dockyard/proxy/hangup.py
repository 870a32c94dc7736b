"""Notices when a peer that has already stopped sending closes its socket altogether."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar
from weakref import WeakKeyDictionary

# Only Linux distinguishes a half-closed UNIX socket from a closed one like this (poll(2),
# POLLHUP). On other systems the next write fails.
SUPPORTED = sys.platform == "linux"


class HangupWatcher:
    """Waits for hang-ups of sockets from which nothing more will be read.

    At end of file a socket stays readable, so an event loop must stop polling it. The kernel
    reports a hang-up even to a poll that asks for no events, and the loop can wait for such an
    epoll descriptor itself (epoll(7)).
    """

    _of: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, HangupWatcher]] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._callbacks: dict[int, Callable[[], None]] = {}
        if SUPPORTED:
            self._epoll = select.epoll()
            loop.add_reader(self._epoll.fileno(), self._ready)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> HangupWatcher:
        """Return the one watcher of an event loop."""
        if loop not in cls._of:
            cls._of[loop] = cls(loop)
        return cls._of[loop]

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call back once when the peer hangs up."""
        if SUPPORTED and descriptor not in self._callbacks:
            self._epoll.register(descriptor, 0)
            self._callbacks[descriptor] = callback

    def forget(self, descriptor: int) -> None:
        """Stop watching. Must be called before the descriptor is closed."""
        if self._callbacks.pop(descriptor, None):
            with suppress(OSError):
                self._epoll.unregister(descriptor)

    def _ready(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            callback = self._callbacks.get(descriptor)
            self.forget(descriptor)
            if callback:
                callback()


def has_hung_up(descriptor: int) -> bool:
    """Whether the peer of a socket has closed both directions."""
    if not SUPPORTED:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
