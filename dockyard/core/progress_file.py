"""The learner's progress: one small JSON file in the course's home. Nothing leaves the machine.

    {"version": 1,
     "labs": {"03-containers": {"values": {…}, "begun": "2026-01-31 09:00",
                                "tasks": {"web": {"done": "…", "edition": "…", "hints": 2}}}},
     "lessons": {"03-containers": {"tasks": {"freeze": {"before": "…", "edition": "…"}}}},
     "answers": {"03-containers": {"stopped": {"chosen": "b", "right": true, "when": "…"}}},
     "guesses": {"03-containers": {"one-process-run": {"chosen": "b", "right": true, …}}},
     "drills": {"stop": {"edition": "…", "times": 2, "due": "2026-02-03"}},
     "drill": {"name": "stop", "id": "1a2b", "values": {…}, "folder": "…"},
     "streak": {"shown": true, "days": 3, "last": "2026-01-31"}}

A lesson's task that was done in an earlier visit was done "before". A drill is "due" again on a
day; "drill" is the one at hand.

Several notebooks may write at once: each change is read, made and written under a lock, and the
file is replaced as a whole. A file that is not progress (damaged, too long, of another form, not a
file at all) is never read further than LIMIT; the previous one is used, and the next change puts
the file aside and says so.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal

import msgspec

from dockyard.core import paths, whole_file
from dockyard.core.process import Lock
from dockyard.exceptions import DiskFull, DockyardError, UnwritableFolder

VERSION = 1

LIMIT = 1_000_000
"""Bytes; a learner who has done everything, with every hint and mistake, has a twentieth."""


class _Task(msgspec.Struct):
    done: str = ""
    before: str = ""
    edition: str = ""
    hints: int = 0
    mistakes: list[str] = []


class _Page(msgspec.Struct):
    tasks: dict[str, _Task] = {}
    values: dict[str, str] = {}
    id: str = ""
    begun: str | None = None


class _Answer(msgspec.Struct):
    chosen: str = ""
    right: bool = False
    tries: int = 0


class _Drill(msgspec.Struct):
    edition: str = ""
    times: int = 0
    due: str = ""


class _DrillAtHand(msgspec.Struct):
    name: str = ""
    id: str = ""
    values: dict[str, str] = {}
    folder: str = ""


class _Streak(msgspec.Struct):
    shown: bool = False
    days: int = 0
    last: str = ""


class _Progress(msgspec.Struct):
    """What the course relies on; a file may hold more."""

    version: Literal[1]
    labs: dict[str, _Page] = {}
    lessons: dict[str, _Page] = {}
    answers: dict[str, dict[str, _Answer]] = {}
    guesses: dict[str, dict[str, _Answer]] = {}
    drills: dict[str, _Drill] = {}
    drill: _DrillAtHand | None = None
    streak: _Streak = msgspec.field(default_factory=_Streak)


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
        with suppress(_Unusable):
            if (found := _load(candidate)) is not None:
                return found
    return {"version": VERSION}


def fault() -> str:
    """What is wrong with the progress file, as a sentence; empty when nothing is."""
    try:
        _load(path())
    except _Unusable as error:
        return f"{path()} is not used: {error}. What was saved before it counts."
    return ""


@contextmanager
def change() -> Iterator[dict[str, Any]]:
    """The progress, to be changed in place; written when the ``with`` block succeeds.

    A file that cannot be used is put aside, and a line on standard error says where. Raises Busy
    when another process holds the lock for more than ten seconds, DiskFull or UnwritableFolder.
    """
    # The lock is next to the file, because two homes may share one file.
    lock = Lock(f".{path().name}", timeout=10, folder=path().parent)
    with _explained():
        path().parent.mkdir(parents=True, exist_ok=True)
        lock.__enter__()
    try:
        data = read()
        yield data
        data["version"] = VERSION
        with _explained():
            _write(json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    finally:
        lock.__exit__()


def _write(text: str) -> None:
    file = path()
    try:
        if _load(file) is not None:
            whole_file.write(_previous(), file.read_bytes())
            # A link to a good file stays one.
            file = file.resolve()
    except _Unusable as error:
        aside = _free_name(time.strftime("%Y-%m-%d-%H%M%S"))
        file.replace(aside)
        print(
            f"{file} was not used: {error}. It is kept as {aside.name}; what was saved before it "
            "counts.",
            file=sys.stderr,
        )
    written = file.with_suffix(".new")
    written.unlink(missing_ok=True)
    try:
        with written.open("x") as new:
            new.write(text)
            new.flush()
            # After a power cut the new name must not refer to a file without content.
            os.fsync(new.fileno())
        written.replace(file)
    except BaseException:
        with suppress(OSError):
            written.unlink(missing_ok=True)
        raise


def _free_name(stamp: str) -> Path:
    names = (path().with_suffix(f".damaged-{stamp}{f'-{n}' if n else ''}.json") for n in count())
    return next(each for each in names if not os.path.lexists(each))


@contextmanager
def _explained() -> Iterator[None]:
    """Turn an error of the system into one that says what to do."""
    try:
        yield
    except OSError as error:
        raise _explain(error) from None


def _explain(error: OSError) -> DockyardError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            "Your progress could not be saved: the disk is full.",
            f"{path()} is as it was before.",
            "Free some space, for example with  docker system prune  , and run this again.",
        )
    return UnwritableFolder(
        path().parent,
        f"Your progress could not be saved there: {error.strerror}.",
        "Choose another file:  export DOCKYARD_PROGRESS=~/dockyard-progress.json",
    )


class _Unusable(Exception):
    """There is something at the path of the file that is no progress; says what."""


def _load(file: Path) -> dict[str, Any] | None:
    """The content of a progress file, or None when there is none. Raises _Unusable."""
    try:
        data = json.loads(_read(file))
        msgspec.convert(data, _Progress)
    except OSError as error:
        if error.errno == errno.ENOENT and not file.is_symlink():
            return None
        raise _Unusable(f"it cannot be read ({error.strerror})") from None
    except msgspec.ValidationError as error:
        raise _Unusable(f"it has another form ({error})") from None
    except (ValueError, RecursionError):
        raise _Unusable("it is damaged") from None
    found: dict[str, Any] = data
    return found


def _read(file: Path) -> bytes:
    # Without waiting for somebody to write into a pipe.
    number = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    with open(number, "rb") as opened:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise _Unusable("it is not a file")
        content = opened.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise _Unusable(f"it is longer than {LIMIT:,} bytes")
    return content
