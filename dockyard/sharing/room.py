"""A room as its teacher sees it: a folder of evidence files, counted.

A learner is called as the file is: ``ada.json``, or ``ada/evidence.json`` in a folder of the
learner's own. What a file itself says cannot choose another name.
"""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from dockyard.core.classroom_file import Place
from dockyard.sharing import evidence_file, teacher
from dockyard.sharing.evidence_file import Evidence, NotEvidence

MOST = 1000
"""Files that are read at most."""

AWAY = 300
"""Seconds without a new file after which a learner counts as away."""

LONG = 600
"""Seconds at one task after which a learner may be stuck."""


@dataclass(frozen=True)
class Learner:
    """One learner's evidence, and seconds since it came."""

    name: str
    evidence: Evidence
    age: float

    @property
    def is_here(self) -> bool:
        """Whether something came within the last minutes."""
        return self.age < AWAY

    @property
    def place(self) -> Place | None:
        """Where the learner is now; None for one who is away or at no page."""
        return self.evidence.here if self.is_here else None

    @property
    def seconds(self) -> int:
        """How long the learner has been at this task, while its page was in front."""
        at = self.evidence.here
        return self.seconds_at(at.page, at.task) if at else 0

    def seconds_at(self, page: str, task: str | None = None) -> int:
        """How long a page was in front, by default for all of its tasks together."""
        shared = self.evidence.pages.get(page)
        found = shared.seconds if shared else {}
        return sum(found.values()) if task is None else found.get(task, 0)

    def done(self, page: str) -> list[str]:
        """The tasks of a page that are done."""
        shared = self.evidence.pages.get(page)
        return shared.done if shared else []


@dataclass(frozen=True)
class TaskCount:
    """One task, for the whole room."""

    place: Place
    here: int
    """How many learners are at it now,"""
    long: int
    """how many of these for longer than LONG,"""
    done: int
    """and how many have done it."""
    minutes: float | None
    """The median minutes of those who have done it; None when no time is known."""


@dataclass(frozen=True)
class Room:
    """All learners by name; what could not be read, with the reason."""

    learners: list[Learner]
    faults: list[tuple[str, str]]
    hint: str = ""

    def pages(self) -> list[str]:
        """The pages on which somebody has done something or is, in the order of the course."""
        used = {name for each in self.learners for name in each.evidence.pages}
        used |= {each.place.page for each in self.learners if each.place}
        return [name for name in evidence_file.pages() if name in used]

    def calls(self) -> list[Learner]:
        """Those who ask for help and are here."""
        return [each for each in self.learners if each.evidence.help and each.is_here]

    def tasks(self, page: str) -> list[TaskCount]:
        """What the room has made of a page, task by task."""
        return [self._count(Place(page, task.name)) for task in evidence_file.pages()[page].tasks]

    def crowded(self) -> list[TaskCount]:
        """The tasks at which two or more are, those with most who are at it for long first."""
        found = (count for page in self.pages() for count in self.tasks(page))
        return sorted(
            (count for count in found if count.here > 1), key=lambda c: (-c.long, -c.here)
        )

    def _count(self, place: Place) -> TaskCount:
        here = [each for each in self.learners if each.place == place]
        finished = [each for each in self.learners if place.task in each.done(place.page)]
        times = [each.seconds_at(place.page, place.task) for each in finished]
        known = [each / 60 for each in times if each]
        return TaskCount(
            place,
            len(here),
            sum(each.seconds > LONG for each in here),
            len(finished),
            statistics.median(known) if known else None,
        )


def load(folder: Path) -> Room:
    """The room whose evidence is in a folder; at most MOST files are read. Raises OSError."""
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")
    names = [*folder.glob("*.json"), *folder.glob(f"*/{teacher.FILE}")]
    files = sorted(file for file in names if file.name != teacher.HINT)
    learners, faults = [], []
    for file in itertools.islice(files, MOST):
        try:
            learners.append(Learner(_name(file), *evidence_file.read(file)))
        except NotEvidence as error:
            faults.append((_name(file), str(error)))
    faults += [(_name(file), f"more than {MOST} files") for file in files[MOST:]]
    learners.sort(key=lambda each: each.name.casefold())
    return Room(learners, faults, teacher.read_hint(folder))


def _name(file: Path) -> str:
    return unquote(file.parent.name if file.name == teacher.FILE else file.stem)


def file_for(folder: Path, name: str) -> Path:
    """The file in a folder for a learner of this name, whatever characters it has.

    Raises ValueError for a name that is too long for a file.
    """
    stem = quote(name, safe="")
    if not name or len(stem) > 200:
        raise ValueError("this name is too long")
    return folder / f"{stem}.json"
