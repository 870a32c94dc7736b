"""Builds an image and shows the steps of its Dockerfile: cached or run, and how long each took.

The SDK uses the daemon's classic builder, which runs one step after the other.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from traitlets import Unicode

from dockyard.core.labels import COURSE
from dockyard.exceptions import UsageError
from dockyard.views.daemon_objects import Fact
from dockyard.views.progress_view import Progress

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
"""The daemon prints a step's standard error in red."""

_STEP = re.compile(r"^step (\d+)/\d+ ?: (.+)", re.IGNORECASE)
_CACHED = re.compile(r"^ ?-+> Using cache")
_ABOUT_IMAGES = re.compile(r"^( ?-+> |Successfully |Removing intermediate|COMMIT |[0-9a-f]{64}$)")
"""Messages of Docker's and Podman's builders, as opposed to output of the steps."""

SHOWN = 3
"""How many of the last lines of a step's output are shown."""


class Build(Progress):
    """A build and its steps."""

    _esm, _css = Progress._esm, Progress._css

    tag = Unicode(help="The name of the image being built.").tag(sync=True)
    output = Unicode(help="The last lines that the current step printed.").tag(sync=True)

    def __init__(self, path: str, tag: str, *, dockerfile: str = "Dockerfile") -> None:
        self._path, self._dockerfile = Path(path), dockerfile
        if not (self._path / dockerfile).is_file():
            raise UsageError(
                f"There is no {dockerfile} in {path}.",
                next="Name the folder that holds it, or another file: dockerfile=NAME",
            )
        self._current: Fact | None = None
        self._started = 0.0
        self._labels_from = ""
        super().__init__(tag=tag)
        self.title = f"Building {tag} (classic builder)"

    def messages(self) -> Any:
        """The messages of the build, as the SDK streams them. Docker Engine API: ImageBuild."""
        return self.client.api.build(
            path=str(self._path), dockerfile=self._dockerfile, tag=self.tag, rm=True, decode=True
        )

    def hear(self, message: dict) -> None:
        """Take in one message of the build."""
        for line in message.get("stream", "").splitlines():
            self._hear_line(_COLOUR.sub("", line))

    def _hear_line(self, line: str) -> None:
        if started := _STEP.match(line):
            self._end_step()
            self._begin_step(started[1], started[2])
        elif self._current is None or not line.strip():
            return
        elif _CACHED.match(line):
            self._current.update(state="kept", note="cached")
        elif not _ABOUT_IMAGES.match(line):
            self.output = "\n".join([*self.output.splitlines(), line][-SHOWN:])

    def _begin_step(self, number: str, instruction: str) -> None:
        self.output = ""
        # The front door adds the course's labels to a build, as instructions at its end.
        if COURSE in instruction:
            self._labels_from = self._labels_from or number
        if self._labels_from:
            number, instruction = self._labels_from, "LABEL … (added by this course)"
        self._current = self.step(number, name=instruction, state="works", note="runs")
        self._started = time.monotonic()

    def _end_step(self) -> None:
        step = self._current
        if step is None:
            return
        if step["state"] == "works":
            base = step["name"].upper().startswith("FROM ")
            step.update(state="done", note="base" if base else "ran")
        step["took"] = f"{time.monotonic() - self._started:.1f} s"
        if step["key"] != self._labels_from:
            self.announce(f"Step {step['key']}, {step['note']}: {step['name']}.")
        self._current = None

    def summary(self) -> str:
        """How many steps ran, and how many came from the cache."""
        self._end_step()
        self.output = ""
        notes = [step["note"] for step in self._steps.values()]
        return f"built {self.tag}: {notes.count('ran')} ran, {notes.count('cached')} cached"

    def line(self, step: Fact) -> str:
        """One step: the instruction, and whether it ran or was cached."""
        return f"{step['key']} {step['name']}: {step['note']}"
