"""The work of one learner: what to do again to prove the labs that are done.

    {"kind": "dockyard-work", "version": 1, "made": "2026-01-31 09:40",
     "labs": {"03-containers": {"values": {"WEB": "front-acorn", …}, "folder": "/home/ada/…",
                                "files": {"index.html": "…"}, "steps": […]}}}

Unlike evidence (evidence_file.py) it holds what the learner typed, so it is written only when the
learner asks for it, and handed in by hand. Nothing in it is trusted: see sandbox.py.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dockyard.core import progress_file
from dockyard.labs import attempt as attempts
from dockyard.labs import lab_catalog, work_record
from dockyard.labs.lab_catalog import Lab
from dockyard.labs.work_record import Step
from dockyard.sharing.evidence_file import NotEvidence, content_of

LIMIT = 10_000_000
"""Bytes of a file."""

LARGEST = 200_000
"""Bytes of one of the learner's files that is taken along."""

MOST_FILES = 200
MOST_STEPS = 2000

Value = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,60}\Z")]


class Work(msgspec.Struct, frozen=True):
    """What a learner did at one lab."""

    values: dict[str, Value]
    """What was drawn for the attempt."""
    folder: Annotated[str, Meta(pattern=r"^/.{1,500}\Z")]
    """Where the learner's $WORK was."""
    files: Annotated[dict[str, str], Meta(max_length=MOST_FILES)]
    """The text files in it at the end, by their path in it."""
    steps: Annotated[list[Step], Meta(max_length=MOST_STEPS)]

    @property
    def done(self) -> list[str]:
        """The tasks that came true, in that order."""
        return [step.text for step in self.steps if step.kind == "done"]


class WorkFile(msgspec.Struct, frozen=True):
    """The document."""

    kind: Literal["dockyard-work"]
    version: Literal[1]
    made: Annotated[str, Meta(max_length=30)]
    labs: Annotated[dict[str, Work], Meta(max_length=100)]


def collect() -> WorkFile:
    """The work of this home's learner at the latest attempt of each lab with a task done."""
    found = {}
    for name in lab_catalog.names():
        lab = lab_catalog.load(name)
        attempt, steps = attempts.last(lab), work_record.load(name)
        if attempt and any(step.kind == "done" for step in steps):
            files = dict(_files(attempt.work))
            found[name] = Work(dict(attempt.values), str(attempt.work), files, steps[-MOST_STEPS:])
    return WorkFile("dockyard-work", 1, progress_file.now(), found)


def encode(work: WorkFile) -> bytes:
    """The work as the content of a file."""
    return msgspec.json.format(msgspec.json.encode(work), indent=1) + b"\n"


def decode(content: bytes) -> WorkFile:
    """The work in a file, of known labs and with values and paths that fit. Raises NotEvidence."""
    try:
        found = msgspec.json.decode(content, type=WorkFile)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise NotEvidence("not the work of a learner of the course") from None
    for name, work in found.labs.items():
        if name not in lab_catalog.names():
            raise NotEvidence("the work at a lab that the course does not have")
        _check(lab_catalog.load(name), work)
    return found


def read(file: Path) -> WorkFile:
    """The work in somebody's file. Raises NotEvidence."""
    content, _ = content_of(file, LIMIT)
    return decode(content)


def _check(lab: Lab, work: Work) -> None:
    if set(work.values) != set(lab.values):
        raise NotEvidence("the work at another edition of a lab")
    for path in work.files:
        if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise NotEvidence("a file outside of the learner's folder")
    names = {task.name for task in lab.exercises}
    if not {step.text for step in work.steps if step.kind in ("case", "done")} <= names:
        raise NotEvidence("a task that the lab does not have")


def _files(folder: Path) -> list[tuple[str, str]]:
    found = []
    for file in sorted(folder.rglob("*")):
        try:
            if file.is_file() and not file.is_symlink() and file.stat().st_size <= LARGEST:
                found.append((file.relative_to(folder).as_posix(), file.read_text()))
        except (OSError, UnicodeError):
            continue  # a container's own, or no text
    return found[:MOST_FILES]
