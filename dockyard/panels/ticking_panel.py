"""The base of panels that look at the daemon every second, as long as somebody can see them."""

from __future__ import annotations

import threading
from typing import Any

from traitlets import Bool

from dockyard.exceptions import DockyardError
from dockyard.quiz.form import Form

PAUSE = 1.0
"""Seconds between two looks."""


class TickingPanel(Form):
    """A panel whose traits follow the daemon from its display until it is closed.

    Subclasses implement look() and act(). A thread of its own looks, so that a panel ticks while
    a cell of the kernel runs.
    """

    done = Bool(help="Whether there is nothing left to tick.").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        self._looking = threading.RLock()
        self._seen_by: set[str] = set()
        self._closed = threading.Event()
        self._seen = threading.Event()
        super().__init__(**traits)
        threading.Thread(target=self._tick, name="dockyard-panel", daemon=True).start()

    def look(self) -> None:
        """Update the traits from the daemon; never called twice at the same time."""
        raise NotImplementedError

    def act(self, message: dict[str, str]) -> None:
        """Do what a button asks for; never called while look() runs."""
        raise NotImplementedError

    def receive(self, message: dict[str, str]) -> None:
        """Handle a message from the page, which also says where the panel is shown."""
        if "shown" in message:
            self._seen_by.add(message["shown"])
            self._seen.set()
        elif "hidden" in message:
            self._seen_by.discard(message["hidden"])
            if not self._seen_by:
                self._seen.clear()
        else:
            with self._looking:
                self._do(lambda: self.act(message))

    def close(self) -> None:
        """Stop looking, and close the widget."""
        self._closed.set()
        self._seen.set()
        super().close()

    def _tick(self) -> None:
        while self._seen.wait() and not self._closed.wait(PAUSE):
            with self._looking:
                # Closed while it waited for the lock: the page is gone.
                if not self._closed.is_set():
                    self._do(self.look)

    def _do(self, what: Any) -> None:
        try:
            what()
            self.trouble = ""
        except (DockyardError, OSError) as error:
            # The panel says so and goes on: the daemon may come back.
            self.trouble = str(error)
