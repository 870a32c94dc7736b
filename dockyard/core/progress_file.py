"""The learner's progress: one small JSON file in the course's home. Nothing leaves the machine.

    {"version": 1,
     "labs": {"03-containers": {"values": {…}, "begun": "2026-01-31 09:00",
                                "tasks": {"web": {"done": "…", "edition": "…", "hints": 2}}}},
     "lessons": {"03-containers": {"tasks": {"freeze": {"before": "…", "edition": "…"}}}},
     "answers": {"03-containers": {"stopped": {"chosen": "b", "right": true, "when": "…"}}},
     "guesses": {"03-containers": {"one-process-run": {"chosen": "b", "right": true, …}}}}

A lesson's task that was done in an earlier visit was done "before".

Several notebooks may write at once: each change is read, made and written under a lock, and the
file is replaced as a whole. A file that cannot be read is renamed, and the previous one is used.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dockyard.core import paths
from dockyard.core.process import Lock

VERSION = 1


def path() -> Path:
    """The progress file: ``$DOCKYARD_PROGRESS`` when set, else ``progress.json`` in the home."""
    chosen = os.environ.get("DOCKYARD_PROGRESS")
    return Path(chosen).expanduser() if chosen else paths.home() / "progress.json"


def _previous() -> Path:
    return path().with_suffix(".previous.json")


def now() -> str:
    """The current local time to the minute, in the format of the file."""
    return time.strftime("%Y-%m-%d %H:%M")


def read() -> dict[str, Any]:
    """All progress so far; empty when there is no file that can be read."""
    for candidate in (path(), _previous()):
        if (found := _load(candidate)) is not None:
            return found
    return {"version": VERSION}


@contextmanager
def change() -> Iterator[dict[str, Any]]:
    """The progress, to be changed in place; written when the ``with`` block succeeds.

    Raises Busy when another process holds the lock for more than ten seconds, or OSError.
    """
    path().parent.mkdir(parents=True, exist_ok=True)
    # The lock is next to the file, because two homes may share one file.
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
            # After a power cut the new name must not refer to a file without content.
            os.fsync(file.fileno())
        written.replace(path())


def _load(file: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) and data.get("version") == VERSION else None
