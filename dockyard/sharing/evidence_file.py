"""The evidence of one learner: what is shared with the teacher, and nothing else.

    {"kind": "dockyard-evidence", "version": 1, "made": "2026-01-31 09:40",
     "pages": {"labs/03-containers": {"done": ["web"], "hints": 2, "seconds": {"page": 340}}},
     "here": {"page": "labs/03-containers", "task": "page"},
     "help": {"page": "labs/03-containers", "task": "page"}}

No commands, no files, no answers to questions, no names. It says what the learner's own computer
has recorded; it does not prove it.

A file may come from anybody, so reading one has limits: its length, its form, how many entries it
has. Names of pages and tasks that the course does not have are dropped.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dockyard.core import classroom_file, progress_file
from dockyard.core.classroom_file import Name, Place
from dockyard.labs import lab_catalog
from dockyard.labs.lab_catalog import Page
from dockyard.lessons import lesson_catalog

LIMIT = 100_000
"""Bytes; a learner who has done everything has a fifth of it."""

Count = Annotated[int, Meta(ge=0, le=10_000_000)]


class SharedPage(msgspec.Struct, frozen=True):
    """What one lesson or lab has to show."""

    done: Annotated[list[Name], Meta(max_length=100)] = []
    hints: Count = 0
    seconds: Annotated[dict[Name, Count], Meta(max_length=100)] = {}


class Evidence(msgspec.Struct, frozen=True):
    """The document."""

    kind: Literal["dockyard-evidence"]
    version: Literal[1]
    made: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d\Z")]
    pages: Annotated[dict[Name, SharedPage], Meta(max_length=100)] = {}
    here: Place | None = None
    help: Place | None = None


class NotEvidence(Exception):
    """A file or message is no evidence; says why in a few words without quoting it."""


@cache
def pages() -> Mapping[str, Page]:
    """All lessons and labs that have tasks: ``lessons/NAME`` and ``labs/NAME``, in that order."""
    found: dict[str, Page] = {}
    for name in lesson_catalog.names():
        found[f"lessons/{name}"] = lesson_catalog.load(name)
    for name in lab_catalog.names():
        found[f"labs/{name}"] = lab_catalog.load(name)
    return {name: page for name, page in found.items() if page.tasks}


def place(page: str) -> Place:
    """Where on a page the learner is: at its first task that is not done."""
    found = pages().get(page)
    if found is None:
        return Place(page)
    done = lab_catalog.done_of(found, progress_file.read(), ever=True)
    return Place(page, next((task.name for task in found.tasks if task.name not in done), ""))


def collect() -> Evidence:
    """The evidence of this home's learner, as of now."""
    state, progress = classroom_file.load(), progress_file.read()
    shared = {}
    for name, page in pages().items():
        entries = progress.get(page.SECTION, {}).get(page.name, {}).get("tasks", {})
        each = SharedPage(
            lab_catalog.done_of(page, progress, ever=True),
            sum(entry.get("hints", 0) for entry in entries.values()),
            state.seconds.get(name, {}),
        )
        if each != SharedPage():
            shared[name] = each
    here = place(state.page) if state.page else None
    return Evidence("dockyard-evidence", 1, progress_file.now(), shared, here, state.help)


def encode(evidence: Evidence) -> bytes:
    """The evidence as the content of a file."""
    return msgspec.json.format(msgspec.json.encode(evidence), indent=1) + b"\n"


def decode(content: bytes) -> Evidence:
    """The evidence in a file or message, with known names only. Raises NotEvidence."""
    if len(content) > LIMIT:
        raise NotEvidence(f"longer than {LIMIT:,} bytes")
    try:
        found = msgspec.json.decode(content, type=Evidence)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise NotEvidence("not evidence of the course") from None
    shared = {
        name: _known(found.pages[name], page)
        for name, page in pages().items()
        if name in found.pages
    }
    return msgspec.structs.replace(
        found, pages=shared, here=_known_place(found.here), help=_known_place(found.help)
    )


def _known(shared: SharedPage, page: Page) -> SharedPage:
    names = [task.name for task in page.tasks]
    return SharedPage(
        [name for name in names if name in shared.done],
        shared.hints,
        {name: shared.seconds[name] for name in ("", *names) if name in shared.seconds},
    )


def _known_place(place: Place | None) -> Place | None:
    page = pages().get(place.page) if place else None
    if not place or not page:
        return None
    is_task = any(task.name == place.task for task in page.tasks)
    return place if is_task else Place(place.page)


def read(file: Path) -> tuple[Evidence, float]:
    """The evidence in a file, and seconds since it was written. Raises NotEvidence."""
    content, age = content_of(file, LIMIT)
    return decode(content), age


def content_of(file: Path, limit: int) -> tuple[bytes, float]:
    """What somebody else's file holds, and seconds since it was written. Raises NotEvidence.

    Follows no link in the last place, and waits for nobody who could write into a pipe. At most one
    byte more than limit is read.
    """
    try:
        number = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with open(number, "rb") as opened:
            facts = os.fstat(number)
            if not stat.S_ISREG(facts.st_mode):
                raise NotEvidence("not a file")
            content = opened.read(limit + 1)
    except OSError as error:
        raise NotEvidence(error.strerror or "cannot be read") from None
    if len(content) > limit:
        raise NotEvidence(f"longer than {limit:,} bytes")
    return content, max(0.0, time.time() - facts.st_mtime)
