"""What a learner does at a lab: the cells that ran, what was typed in a terminal, what came true.

It is kept in the home for one attempt at each lab, for nobody else to read. Learners who want a
teacher to see a lab proved again hand it in (dockyard/sharing/work_file.py); nothing else reads it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from dockyard.core import paths

Kind = Literal["cell", "typed", "case", "done"]


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was done, or a task that came true."""

    kind: Kind
    text: str
    """The code of a cell, the command typed, or the name of a case or task."""
    at: float
    """When it ended, in seconds since 1970."""
    folder: str = ""
    """Where a command was typed."""
    seconds: float = 0.0
    """How long a cell ran."""
    interrupted: bool = False


def begin(lab: str) -> None:
    """Forget what was done in an earlier attempt. Raises OSError."""
    shutil.rmtree(_folder(lab), ignore_errors=True)
    _folder(lab).mkdir(parents=True, mode=0o700)


def typed_file(lab: str) -> Path:
    """The file to which the course's terminals append what is typed (notebook/terminal.bash).

    Each command is four strings that end with a NUL: seconds since 1970, exit code, folder, text.
    """
    return _folder(lab) / "typed"


def add(lab: str, step: Step) -> None:
    """Append a step. A record that cannot be written disturbs nobody's work."""
    with suppress(OSError), (_folder(lab) / "steps").open("ab") as file:
        # On a line of its own, even where a full disk has cut the line before short.
        file.write(b"\n" + msgspec.json.encode(step))


def tick(lab: str, tasks: Sequence[str]) -> None:
    """Note that tasks have come true, each of them once."""
    noted = {step.text for step in _noted(lab) if step.kind == "done"} if tasks else set()
    for task in tasks:
        if task not in noted:
            add(lab, Step("done", task, time.time()))


def load(lab: str) -> list[Step]:
    """All steps of the latest attempt in the order in which they ended."""
    return sorted([*_noted(lab), *_typed(lab)], key=lambda step: step.at)


def _folder(lab: str) -> Path:
    return paths.home() / "work" / lab


def _noted(lab: str) -> Iterator[Step]:
    for line in _read(_folder(lab) / "steps").splitlines():
        with suppress(msgspec.DecodeError):  # a line that was cut short
            yield msgspec.json.decode(line, type=Step)


def _typed(lab: str) -> list[Step]:
    words = _read(typed_file(lab)).decode(errors="replace").split("\0")
    return [
        Step("typed", text, float(at), folder, interrupted=code == "130")
        for at, code, folder, text in zip(
            words[::4], words[1::4], words[2::4], words[3::4], strict=False
        )
        if at.replace(".", "", 1).isdigit()
    ]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
