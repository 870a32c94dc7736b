"""Noticing that a peer which had only stopped sending has now gone altogether."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar
from weakref import WeakKeyDictionary

# Only Linux tells a half-closed UNIX socket from a closed one in this way (poll(2), POLLHUP).
# Elsewhere the next write finds out.
KNOWN = sys.platform == "linux"


class HangupWatch:
    """Waits for hang-ups of sockets from which nothing more will be read.

    The end of input makes a socket readable for ever, so an event loop stops asking. The
    kernel reports a hang-up even to a poll that asks for nothing, and such a poll can itself
    be watched by the loop (epoll(7)).
    """

    _of: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, HangupWatch]] = WeakKeyDictionary()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._calls: dict[int, Callable[[], None]] = {}
        if KNOWN:
            self._epoll = select.epoll()
            loop.add_reader(self._epoll.fileno(), self._ready)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> HangupWatch:
        """The one watch of an event loop."""
        if loop not in cls._of:
            cls._of[loop] = cls(loop)
        return cls._of[loop]

    def watch(self, descriptor: int, call: Callable[[], None]) -> None:
        """Call once when the peer hangs up."""
        if KNOWN and descriptor not in self._calls:
            self._epoll.register(descriptor, 0)
            self._calls[descriptor] = call

    def forget(self, descriptor: int) -> None:
        """Stop watching; to be called before the descriptor is closed."""
        if self._calls.pop(descriptor, None):
            with suppress(OSError):
                self._epoll.unregister(descriptor)

    def _ready(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            call = self._calls.get(descriptor)
            self.forget(descriptor)
            if call:
                call()


def hung_up(descriptor: int) -> bool:
    """Whether the peer of a socket has closed both directions."""
    if not KNOWN:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
