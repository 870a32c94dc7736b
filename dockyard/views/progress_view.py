"""The base of the views that show work in progress: pulls and builds."""

from __future__ import annotations

import time
from typing import Any, Self

import docker
from traitlets import Bool, Dict, List, Unicode

from dockyard.core import docker_client
from dockyard.core.labels import LESSON_HEADER
from dockyard.exceptions import EngineNotRunning
from dockyard.views.daemon_objects import Fact
from dockyard.views.events import UNREACHABLE, Event
from dockyard.views.svg import Picture
from dockyard.views.view import View

WIDTH = 720
ROW = 40
TOP = 44
INTERVAL = 0.1
"""The least seconds between two updates within a step; the daemon reports more often."""

SIGNS = {"waits": "○", "works": "▶", "done": "✔", "kept": "=", "failed": "✖"}
"""A sign for each state of a step, for people who cannot see colours."""

LINES = {"waits": "line", "works": "accent", "done": "good", "kept": "soft", "failed": "bad"}


class Progress(View):
    """Steps that the daemon reports, and the progress of each."""

    steps = List(Dict(), help="Each step: name, state, note, part done (0 to 1).").tag(sync=True)
    done = Bool(False, help="Whether the work is finished, successfully or not.").tag(sync=True)
    result = Unicode(help="The result in words.").tag(sync=True)
    failed = Bool(False, help="Whether the work failed.").tag(sync=True)

    kinds = ()

    def __init__(self, **traits: Any) -> None:
        self._drawn = 0.0
        self._drawn_states: list[tuple[str, str]] = []
        self._steps: dict[str, Fact] = {}
        super().__init__(**traits)

    # For subclasses to implement

    def messages(self) -> Any:
        """Start the work; return an iterable of the daemon's messages, decoded by the SDK."""
        raise NotImplementedError

    def hear(self, message: dict) -> None:
        """Update the steps with one message."""
        raise NotImplementedError

    def summary(self) -> str:
        """The result in words, after success."""
        raise NotImplementedError

    # Common to all

    def run(self) -> Self:
        """Show the view on the page, do the work, and return when it is finished.

        If the daemon reports an error, it is shown and failed is set. Raises EngineNotRunning.
        """
        self.client = docker_client.connect()
        if self.scope.lesson:
            self.client.api.headers[LESSON_HEADER] = self.scope.lesson
        self._show()
        try:
            self._work()
        except BaseException:
            self._fail("stopped")
            raise
        finally:
            self.client.close()
            self.done = True
            self._draw(force=True)
        return self

    def _work(self) -> None:
        try:
            for message in self.messages():
                if "error" in message:
                    self._fail(str(message["error"]))
                else:
                    self.hear(message)
                    self._draw()
            self._settle()
        except docker.errors.DockerException as error:
            self._fail(getattr(error, "explanation", None) or str(error))
        except UNREACHABLE as error:
            raise EngineNotRunning(str(error).splitlines()[0]) from None

    def _settle(self) -> None:
        if not self.failed:
            self.result = self.summary()
            self.announce(f"{self.result}.")

    def _fail(self, why: str) -> None:
        self.failed = True
        self.result = f"failed: {' '.join(why.split())}"
        for step in self._steps.values():
            if step["state"] == "works":
                step.update(state="failed", note="failed")
        self.announce(self.result)

    def step(self, key: str, **facts: object) -> Fact:
        """Set facts of a step, which is added if it is new."""
        fresh = {"key": key, "name": key, "state": "waits", "note": "", "part": None, "took": ""}
        step = self._steps.setdefault(key, fresh)
        step.update(facts)
        return step

    def _draw(self, *, force: bool = False) -> None:
        now = time.monotonic()
        # A new state is drawn at once: a step may then run for minutes without another message.
        states = [(step["state"], step["note"]) for step in self._steps.values()]
        if force or states != self._drawn_states or now - self._drawn > INTERVAL:
            self._drawn, self._drawn_states = now, states
            self._look(None)

    def _show(self) -> None:
        """Show the live view before the work begins, if this is a notebook."""
        shell = _shell()
        if shell is None:
            return
        self._draw(force=True)
        data, metadata = super()._repr_mimebundle_()
        # A static page keeps only this line, and the picture of the finished work.
        plain = {"text/plain": f"{self.title} …"}
        live = {mime: value for mime, value in data.items() if mime.endswith("widget-view+json")}
        shell.display_pub.publish(live | plain, metadata)

    def watch(self) -> None:
        """Show the current steps: nothing else on the daemon changes them."""
        self._draw(force=True)

    def look(self, event: Event | None) -> None:
        """Copy the steps into the trait that the page shows."""
        self.steps = [dict(step) for step in self._steps.values()]

    def words(self) -> str:
        """The summary and a line for each step."""
        lines = [self.title, *(self.line(step) for step in self._steps.values())]
        return "\n".join([*lines, *([self.result] if self.result else [])])

    def line(self, step: Fact) -> str:
        """A step in words, without values that vary."""
        return f"{step['name']}: {step['note'] or step['state']}"

    def draw(self) -> str:
        """A bar for each step."""
        height = TOP + ROW * len(self._steps) + (34 if self.result else 8)
        picture = Picture(self.title, self.words(), WIDTH + 32, height)
        picture.text(16, 26, self.title, bold=True)
        for row, step in enumerate(self._steps.values()):
            self._draw_step(picture, TOP + ROW * row, step)
        if self.result:
            sign = SIGNS["failed" if self.failed else "done"]
            ink = "bad" if self.failed else "good"
            y = TOP + ROW * len(self._steps) + 16
            picture.text(16, y, sign, bold=True, ink=ink)
            picture.text(36, y, self.result, bold=True, size=13, room=WIDTH - 20)
        return str(picture)

    def _draw_step(self, picture: Picture, y: float, step: Fact) -> None:
        with picture.group(f"step/{step['key']}"):
            picture.rect(16, y, WIDTH, ROW - 8, fill="card", line=LINES[step["state"]], thick=1)
            picture.text(26, y + 21, SIGNS[step["state"]], ink=LINES[step["state"]], bold=True)
            picture.text(48, y + 21, step["name"], mono=True, size=12, room=430)
            picture.text(WIDTH - 70, y + 21, step["note"], size=12, anchor="end", room=180)
            with picture.group(css="dy-varies"):
                picture.text(WIDTH + 6, y + 21, step["took"], size=12, ink="soft", anchor="end")
            if step["part"] is not None and step["state"] == "works":
                picture.rect(18, y + ROW - 13, (WIDTH - 4) * step["part"], 4, fill="accent")


def _shell() -> Any:
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    # A plain terminal cannot show a live view.
    return shell if shell is not None and hasattr(shell, "kernel") else None
