"""What all views have in common: a live widget, and a picture that stays when nothing is live.

How a view is made: docs/views.md.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import anywidget
import docker
from traitlets import Bool, Int, List, Unicode

from dockyard.exceptions import DockyardError
from dockyard.views import events, facts
from dockyard.views.events import STREAM, UNREACHABLE, Event
from dockyard.views.scope import Scope

FOLDER = Path(__file__).parent
REMEMBERED = 12
"""How many announcements are kept for a page that is slow to ask; it shows the last few."""

PLAIN = "export default { render: ({ model, el }) => frame(model, el).close };\n"
"""The script of a view that shows its picture and nothing else."""


class View(anywidget.AnyWidget):
    """A live view of the daemon.

    A view is watched from the moment it is displayed until it is closed, its cell is cleared or
    run again, or the kernel ends. A subclass says what it shows: see look(), draw(), words().
    """

    title = Unicode(help="What the view shows, in a few words.").tag(sync=True)
    picture = Unicode(help="The present state as SVG.").tag(sync=True)
    description = Unicode(help="The present state in words.").tag(sync=True)
    announcements = List(Unicode(), help="The last changes as sentences, the newest last.").tag(
        sync=True
    )
    announced = Int(help="How many changes were announced so far.").tag(sync=True)
    connected = Bool(True, help="Whether a daemon answers.").tag(sync=True)

    kinds: tuple[str, ...] = tuple(events.ACTIONS)
    """The types of objects whose events make the view look again."""

    def __init_subclass__(cls, **options: object) -> None:
        """Put together the script and the style sheet: the common ones, then those beside it."""
        # Not for the class that add_traits() makes of an object: it has both as traits.
        if "_esm" not in cls.__dict__:
            # A class made in a notebook has no file.
            own = Path(getattr(sys.modules.get(cls.__module__), "__file__", None) or "none.py")
            cls._esm = _read(FOLDER / "view.js") + (_read(own.with_suffix(".js")) or PLAIN)
            looks = (
                FOLDER.parent / "notebook" / "theme.css",
                FOLDER / "view.css",
                own.with_suffix(".css"),
            )
            cls._css = "".join(map(_read, looks))
        super().__init_subclass__(**options)

    def __init__(self, *, everything: bool = False, **traits: object) -> None:
        self.scope = Scope.here(everything=everything)
        self._looking = threading.RLock()
        self._shown: set[str] = set()
        self._watching = False
        super().__init__(**traits)
        self.on_msg(self._hear)

    # What a subclass says

    def look(self, event: Event | None) -> None:
        """Bring the facts up to date, at first and after each event of one of the kinds.

        The daemon is self.daemon. Called in the background thread, never twice at a time.
        """
        raise NotImplementedError

    def draw(self) -> str:
        """The facts as SVG (see picture.py): the same text whenever the facts are the same."""
        raise NotImplementedError

    def words(self) -> str:
        """The facts as text, without what varies by chance (ids, addresses, times)."""
        raise NotImplementedError

    def on_message(self, message: dict) -> None:
        """What the page asks for, such as a press of a button."""

    # What the base does

    def __repr__(self) -> str:
        """The view in words, as a page without pictures shows it."""
        return self.words()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict, dict]:
        """The widget for a live page; picture and words for all others."""
        self.watch()
        data, metadata = super()._repr_mimebundle_()
        return data | {"text/plain": self.words(), "image/svg+xml": self.picture}, metadata

    @property
    def daemon(self) -> docker.DockerClient:
        """An SDK client on the daemon; there while the view is watched."""
        return STREAM.daemon

    def watch(self) -> None:
        """Look at the daemon now, and again after each event. Raises EngineNotRunning."""
        with self._looking:
            if not self._watching:
                STREAM.subscribe(self._notice)
                self._watching = True
            self._look(None)

    def rest(self) -> None:
        """Look no more; what was seen last stays on the page."""
        if self._watching:
            self._watching = False
            # Not under the lock: the thread that is waited for may want it.
            STREAM.unsubscribe(self._notice)

    def close(self) -> None:
        """End the view for good."""
        self.rest()
        super().close()

    def announce(self, sentence: str) -> None:
        """Say what has changed: on the page, and by a screen reader."""
        self.announcements = [*self.announcements, sentence][-REMEMBERED:]
        self.announced += 1

    def _look(self, event: Event | None) -> None:
        with self._looking, self.hold_sync():
            if event is not None:
                facts.settle(self.daemon, event)
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
            # Asked while the daemon was going away; the stream will say when it is back.
            self.connected = False

    def _daemon(self, action: str) -> None:
        if action == "gone":
            self.connected = False
            self.announce("The daemon does not answer any more.")
        else:
            self._look(None)
            self.announce("The daemon answers again.")

    def _hear(self, _: object, message: dict, __: object) -> None:
        # The page says when the view comes and goes, so that nothing works for nobody.
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
