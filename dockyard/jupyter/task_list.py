"""The tasks of an open page for the side bar, which tick by themselves while the learner works."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from dockyard import course
from dockyard.core import paths, progress_file
from dockyard.exceptions import DockyardError
from dockyard.labs import attempt as attempts
from dockyard.labs import lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.follower import Follower
from dockyard.labs.lab_catalog import Page
from dockyard.lessons import lesson_catalog, visit


class TaskList:
    """Looks at tasks only when something has happened that could complete one."""

    def __init__(self) -> None:
        self._looking = threading.Lock()
        self._follower: Follower | None = None
        self._asked: frozenset[str] = frozenset()

    def look(self, page: PurePosixPath, reached: frozenset[str]) -> list[dict[str, Any]]:
        """The tasks of a page, such as ``notebooks/03-containers.ipynb``: name, goal, done.

        Empty for a page without tasks. Tasks that are done are saved as if ``%check`` had been run.
        reached names the tasks of a lesson that are judged; all tasks of a lab are.
        """
        if not (known := _known(page)):
            return []
        attempt = _attempt(page, known)
        if attempt and course.answers():
            names = frozenset(task.name for task in known.tasks)
            with self._looking:
                self._judge(attempt, names & reached if attempt.kind == "lesson" else names)
        done = _done(known)
        return [
            {
                "name": task.name,
                "goal": " ".join((attempt.fill(task.goal) if attempt else task.goal).split()),
                "done": task.name in done,
            }
            for task in known.tasks
        ]

    def _judge(self, attempt: Attempt, asked: frozenset[str]) -> None:
        # The first look at a task judges it, whether or not anything has happened.
        if not self._follower or self._follower.attempt != attempt or asked - self._asked:
            self._follower = Follower(attempt)
        self._asked = asked
        done = _done(attempt.lab)
        # The daemon is being stopped, or the disk is full: commands in cells say so.
        with suppress(DockyardError, OSError):
            self._follower.look(
                [
                    task.name
                    for task in attempt.lab.tasks
                    if task.name in asked and task.name not in done
                ]
            )


def _known(page: PurePosixPath) -> Page | None:
    if page.parent.name == "notebooks" and page.stem in lesson_catalog.names():
        return lesson_catalog.load(page.stem)
    if page.parent.name == "labs" and page.stem in lab_catalog.names():
        return lab_catalog.load(page.stem)
    return None


def _attempt(page: PurePosixPath, known: Page) -> Attempt | None:
    if page.parent.name == "notebooks":
        return visit.current(known.name, paths.learner_copy() / "notebooks")
    return attempts.current(known)


def _done(page: Page) -> list[str]:
    return lab_catalog.done_of(page, progress_file.read())
