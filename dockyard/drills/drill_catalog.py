"""The drill catalog: one TOML file per lesson in catalog/, whose drills practise its subject.

    [[drills]]                  name, one of all drills; goal; `values`, which are drawn anew each
                                time, as in labs: NAME = "name:front", "port" or "token"; `scene`,
                                shell commands that set the scene; `right` ways, the first of which
                                is shown to who asks for it; `wrong` ways, with what the verdict
                                `says` or the `mistake` that the check must recognise

In goals and ways, $WORK is the drill's folder. The check of a drill is the function named after it
in the lesson's module in checks/.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta

from dockyard.core import data_file
from dockyard.core.data_file import Record
from dockyard.labs import lab_catalog
from dockyard.labs.lab_catalog import Assignment, Recipe, Way

FOLDER = Path(__file__).parent / "catalog"


class DrillRecord(Assignment, kw_only=True):
    """An entry of a file in catalog/."""

    values: Mapping[str, Recipe]
    scene: str = ""
    wrong: Annotated[tuple[Way, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        if not all(way.mistake or way.says for way in self.wrong):
            raise ValueError("A wrong way has the key `mistake`, the key `says`, or both")


class DrillFile(Record):
    """The content of a file in catalog/."""

    drills: tuple[DrillRecord, ...]


@dataclass(frozen=True)
class Drill:
    """A page with one task, as labs and lessons are pages with several."""

    SECTION: ClassVar[str] = "drills"
    CHECKS: ClassVar[str] = "dockyard.drills.checks"

    lesson: str
    """The lesson whose subject it practises, such as ``03-containers``."""
    task: DrillRecord

    @property
    def name(self) -> str:
        """The name of its lesson, which its module of checks has, too."""
        return self.lesson

    @property
    def values(self) -> Mapping[str, Recipe]:
        """What is drawn for each attempt."""
        return self.task.values

    @property
    def tasks(self) -> Sequence[DrillRecord]:
        """The one thing to do."""
        return (self.task,)

    def exercise(self, name: str) -> DrillRecord:
        """The one thing to do, by its name. Raises UsageError for another name."""
        return lab_catalog.find(self.lesson, self.tasks, name)


@functools.cache
def load() -> Mapping[str, Drill]:
    """All drills by name, in the order of the course. Raises InvalidDataFile."""
    return {
        task.name: Drill(lesson, task)
        for lesson in data_file.names(FOLDER)
        for task in data_file.load(FOLDER / f"{lesson}.toml", DrillFile).drills
    }


def choose(word: str) -> list[Drill]:
    """The drills that a word means: one by its name, or those of a lesson, such as ``03``.

    Raises UsageError, which lists the lessons.
    """
    if word in load():
        return [load()[word]]
    lesson = data_file.choose(FOLDER, word, f"There is no drill, and no lesson, called {word!r}.")
    return [drill for drill in load().values() if drill.lesson == lesson]
