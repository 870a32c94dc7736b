"""The lesson catalog: one TOML file per lesson in catalog/, with its scene and its tasks.

    guestbook                   whether the lesson's folder gets a copy of notebooks/guestbook
    scene                       shell commands that set the scene before the learner begins
    [[tasks]]                   name, goal, hint; for tests, what the page has made before the
                                task: `after` names tasks that were done before, and `given` are
                                shell commands after those; `right` ways to do it,
                                the first of which is in the page; `wrong` ways, which the check
                                must not accept

A way has the form of those in labs (dockyard/labs/lab_catalog.py). The check of a task is the
function named after it in the lesson's module in checks/.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from msgspec import Meta, structs

from dockyard.core import data_file
from dockyard.core.data_file import Record
from dockyard.labs import lab_catalog
from dockyard.labs.lab_catalog import Assignment, Way

FOLDER = Path(__file__).parent / "catalog"


class LessonTask(Assignment, kw_only=True):
    """Something to do on the page of a lesson."""

    hint: str
    after: tuple[str, ...] = ()
    given: str = ""
    wrong: Annotated[tuple[Way, ...], Meta(min_length=1)]


class LessonFile(Record, kw_only=True):
    """The content of a file in catalog/."""

    guestbook: bool = False
    scene: str = ""
    tasks: tuple[LessonTask, ...] = ()


class LessonPage(LessonFile, kw_only=True):
    """The scene and the tasks of a lesson."""

    SECTION: ClassVar[str] = "lessons"
    CHECKS: ClassVar[str] = "dockyard.lessons.checks"

    name: str

    @property
    def values(self) -> Mapping[str, str]:
        """Nothing is drawn for a lesson."""
        return {}

    def exercise(self, name: str) -> LessonTask:
        """The task with this name. Raises UsageError, which lists all names."""
        return lab_catalog.find(self.name, self.tasks, name)


def names() -> list[str]:
    """The names of the lessons with a file, in the order of the course."""
    return data_file.names(FOLDER)


@functools.cache
def load(name: str) -> LessonPage:
    """The scene and tasks of a lesson, by its whole name; none if it has no file.

    Raises InvalidDataFile when its file is not valid.
    """
    if name not in names():
        return LessonPage(name=name)
    file = data_file.load(FOLDER / f"{name}.toml", LessonFile)
    return LessonPage(name=name, **structs.asdict(file))
