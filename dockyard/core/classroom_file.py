"""The learner's side of a classroom: what the learner has agreed to, in a small file of the home.

    {"agreed": "2026-01-31 09:00", "help": {"page": "labs/03-containers", "task": "web"},
     "page": "labs/03-containers", "looked": 1769850000.0,
     "seconds": {"labs/03-containers": {"web": 340}}, "hint": "Look at port 80 again."}

Without ``agreed`` nothing is measured, and nothing leaves the home. Notebooks and Jupyter's server
change the file, each under a lock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from dockyard.core import paths, progress_file, whole_file
from dockyard.core.process import Lock

LONGEST_PAUSE = 60
"""Seconds: a page that is looked at less often than this was not in front meanwhile."""

LONGEST_HINT = 300
"""Characters of a teacher's hint to all."""


Name = Annotated[str, Meta(pattern=r"^[a-z0-9/-]{0,80}\Z")]
"""The name of a page or task, if it can be one."""


class Place(msgspec.Struct, frozen=True):
    """A page and the first of its tasks that is not done; no task when all are."""

    page: Name = ""
    task: Name = ""


class ClassroomState(msgspec.Struct):
    """The content of the file."""

    agreed: str = ""
    help: Place | None = None
    page: str = ""
    """The page that was in front last, such as ``labs/03-containers``."""
    looked: float = 0.0
    """When that was, in seconds since 1970."""
    seconds: dict[str, dict[str, int]] = {}
    """How long each page was in front, by the task that was next then."""
    hint: str = ""
    """What the teacher says to all."""


def load() -> ClassroomState:
    """The state; an empty one, in which nothing is agreed, without a file that can be read."""
    try:
        return msgspec.json.decode(_file().read_bytes(), type=ClassroomState)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return ClassroomState()


@contextmanager
def change() -> Iterator[ClassroomState]:
    """The state, to be changed in place. Raises Busy or OSError."""
    _file().parent.mkdir(parents=True, exist_ok=True)
    with Lock("classroom", timeout=10):
        state = load()
        before = msgspec.json.encode(state)
        yield state
        after = msgspec.json.encode(state)
        if after != before:
            whole_file.write(_file(), after)


def agree() -> None:
    """The learner agrees to share. Raises what change() does."""
    with change() as state:
        state.agreed = state.agreed or progress_file.now()


def revoke() -> None:
    """The learner shares no longer; what was measured for it is forgotten."""
    with change() as state:
        state.agreed, state.help, state.seconds = "", None, {}
        state.page, state.looked = "", 0.0


def look(place: Place) -> None:
    """A page is in front of a learner who has agreed: count the time since the last look."""
    if not load().agreed:
        return
    with change() as state:
        now = time.time()
        pause = now - state.looked
        if state.page == place.page and 0 <= pause <= LONGEST_PAUSE:
            tasks = state.seconds.setdefault(place.page, {})
            whole = int(pause)
            tasks[place.task] = tasks.get(place.task, 0) + whole
            now -= pause - whole  # the rest of a second counts next time
        state.page, state.looked = place.page, now


_said = ""


def news() -> str:
    """The teacher's hint as a line to print, once in each process; empty when there is none."""
    global _said  # noqa: PLW0603 - what this process has printed
    hint = load().hint
    if hint == _said:
        return ""
    _said = hint
    return f"Your teacher says: {hint}" if hint else ""


def _file() -> Path:
    return paths.home() / "classroom.json"
