"""The base of all views: a live widget, with a picture and words for static pages.

How to write a view: docs/views.md.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import anywidget
import docker
from traitlets import Bool, Int, List, Unicode

from dockyard.exceptions import DockyardError
from dockyard.views import daemon_objects, events
from dockyard.views.events import STREAM, UNREACHABLE, Event
from dockyard.views.scope import Scope

FOLDER = Path(__file__).parent
REMEMBERED = 12
"""How many announcements are kept. The page shows the last few."""

PLAIN = "export default { render: ({ model, el }) => frame(model, el).close };\n"
"""The script of a view that shows only its picture."""


class View(anywidget.AnyWidget):
    """A live view of the daemon.

    A view follows the daemon's events from its display until it is closed, its cell is cleared or
    run again, or the kernel exits. Subclasses implement look(), draw() and words().
    """

    title = Unicode(help="The title of the view.").tag(sync=True)
    picture = Unicode(help="The current state as SVG.").tag(sync=True)
    description = Unicode(help="The current state in words.").tag(sync=True)
    announcements = List(Unicode(), help="The last changes as sentences, oldest first.").tag(
        sync=True
    )
    announced = Int(help="How many changes have been announced.").tag(sync=True)
    connected = Bool(True, help="Whether a daemon answers.").tag(sync=True)

    kinds: tuple[str, ...] = tuple(events.ACTIONS)
    """The kinds of events after which the view looks again."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Combine the common script and style sheet with those beside the module."""
        # Not for the class that add_traits() creates for an instance: it has both as traits.
        if "_esm" not in cls.__dict__:
            # A class defined in a notebook has no file.
            own = Path(getattr(sys.modules.get(cls.__module__), "__file__", None) or "none.py")
            cls._esm = _read(FOLDER / "view.js") + (_read(own.with_suffix(".js")) or PLAIN)
            looks = (
                FOLDER.parent / "notebook" / "theme.css",
                FOLDER / "view.css",
                own.with_suffix(".css"),
            )
            cls._css = "".join(map(_read, looks))
        super().__init_subclass__(**options)

    def __init__(self, *, everything: bool = False, **traits: Any) -> None:
        self.scope = Scope.here(everything=everything)
        self._looking = threading.RLock()
        self._shown: set[str] = set()
        self._watching = False
        super().__init__(**traits)
        self.on_msg(self._hear)

    # For subclasses to implement

    def look(self, event: Event | None) -> None:
        """Update the traits from self.daemon.

        Called with None at first, then with each event of the kinds, in the background thread;
        never twice at the same time.
        """
        raise NotImplementedError

    def draw(self) -> str:
        """The facts as SVG, see svg.Picture. The same facts give the same text."""
        raise NotImplementedError

    def words(self) -> str:
        """The facts as text, without values that vary (ids, addresses, times)."""
        raise NotImplementedError

    def on_message(self, message: dict) -> None:
        """Handle a message from the page, such as a pressed button."""

    # Common to all

    def __repr__(self) -> str:
        """The view in words."""
        return self.words()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        """The widget for live pages, picture and words for static ones."""
        self.watch()
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return data | {"text/plain": self.words(), "image/svg+xml": self.picture}, metadata

    @property
    def daemon(self) -> docker.DockerClient:
        """An SDK client; available while the view follows the daemon."""
        return STREAM.daemon

    def watch(self) -> None:
        """Look at the daemon now and after each event. Raises EngineNotRunning."""
        with self._looking:
            if not self._watching:
                STREAM.subscribe(self._notice)
                self._watching = True
            self._look(None)

    def rest(self) -> None:
        """Stop following the daemon; the page keeps the last state."""
        if self._watching:
            self._watching = False
            # Without the lock, which the thread may need before it exits.
            STREAM.unsubscribe(self._notice)

    def close(self) -> None:
        """Stop following the daemon and close the widget."""
        self.rest()
        super().close()

    def announce(self, sentence: str) -> None:
        """Announce a change on the page and to screen readers."""
        self.announcements = [*self.announcements, sentence][-REMEMBERED:]
        self.announced += 1

    def _look(self, event: Event | None) -> None:
        with self._looking, self.hold_sync():
            if event is not None:
                daemon_objects.settle(self.daemon, event)
            self.look(event)
            self.connected = True
            self.picture = self.draw()
            self.description = self.words()

    def _notice(self, event: Event) -> None:
        try:
            if event.kind == "daemon":
                self._daemon(event.action)
            elif event.kind in self.kinds:
                self._look(event)
        except (DockyardError, OSError, *UNREACHABLE):
            # The daemon is stopping; the stream reports when it is back.
            self.connected = False

    def _daemon(self, action: str) -> None:
        if action == "gone":
            self.connected = False
            self.announce("The daemon does not answer any more.")
        else:
            self._look(None)
            self.announce("The daemon answers again.")

    def _hear(self, _: object, message: dict, __: object) -> None:
        # The page reports which views are visible, so that hidden ones cost nothing.
        if "shown" in message:
            self._shown.add(message["shown"])
            if not self._watching:
                self.watch()
        elif "hidden" in message:
            self._shown.discard(message["hidden"])
            if not self._shown:
                self.rest()
        else:
            self.on_message(message)


def _read(path: Path) -> str:
    return path.read_text() + "\n" if path.exists() else ""
