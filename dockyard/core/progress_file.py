"""The learner's progress: one small file in the course's home. Nothing leaves the machine.

    {"version": 1,
     "labs": {"07-containers": {"values": {…}, "begun": "2026-01-31 09:00",
                                "tasks": {"web": {"done": "…", "edition": "…", "hints": 2}}}},
     "answers": {"07-containers": {"stopped": {"chosen": "b", "right": true, "when": "…"}}},
     "guesses": {"07-containers": {"one-process-run": {"chosen": "b", "right": true, …}}}}

Two notebooks may write at once: a change is read, made and written under a lock, and the file
is replaced whole. One that cannot be read any more is kept aside, and the one before it is used.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dockyard.core import paths
from dockyard.core.process import Lock

VERSION = 1


def path() -> Path:
    """Where the progress is kept: ``$DOCKYARD_PROGRESS`` when set, else in the course's home."""
    chosen = os.environ.get("DOCKYARD_PROGRESS")
    return Path(chosen).expanduser() if chosen else paths.home() / "progress.json"


def _previous() -> Path:
    return path().with_suffix(".previous.json")


def now() -> str:
    """The present, as written in the file: local time to the minute."""
    return time.strftime("%Y-%m-%d %H:%M")


def read() -> dict:
    """All progress so far; empty when there is none, or none that can be read."""
    for candidate in (path(), _previous()):
        if (found := _load(candidate)) is not None:
            return found
    return {"version": VERSION}


@contextmanager
def change() -> Iterator[dict]:
    """The progress, to be changed in place; written when the ``with`` ends without an error.

    Raises Busy when another notebook holds it for more than ten seconds, or OSError.
    """
    path().parent.mkdir(parents=True, exist_ok=True)
    # Beside the file: two homes may share one.
    with Lock(f".{path().name}", timeout=10, folder=path().parent):
        data = read()
        yield data
        data["version"] = VERSION
        if _load(path()) is not None:
            shutil.copyfile(path(), _previous())
        elif path().exists():
            path().replace(path().with_suffix(f".damaged-{time.strftime('%Y-%m-%d-%H%M%S')}.json"))
        written = path().with_suffix(".new")
        with written.open("w") as file:
            file.write(json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
            file.flush()
            # The name must not come to stand for a file whose text is not on the disk yet.
            os.fsync(file.fileno())
        written.replace(path())


def _load(file: Path) -> dict | None:
    try:
        data = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and data.get("version") == VERSION else None
