"""What there is to show of an attempt at a lab while the learner works on it.

The panel in a notebook and the screen of ``check --watch`` are two faces of one board.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dockyard.core import progress_file
from dockyard.labs import attempt as attempts
from dockyard.labs import hints, lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.follower import Follower
from dockyard.labs.lab_catalog import Exercise, Lab, Task
from dockyard.labs.verdict import Verdict


@dataclass(frozen=True)
class ShownTask:
    """A task as a face shows it; goal, said and hints may have words in backquotes."""

    name: str
    title: str
    goal: str
    done: bool
    said: str
    """What the daemon shows now, in one sentence; empty before the first look."""
    hints: tuple[str, ...]
    """Those that were taken while the board was shown."""


class TaskBoard:
    """Some tasks of a learner's attempt at a lab; those that are done stay ticked."""

    def __init__(self, attempt: Attempt, names: Sequence[str] = ()) -> None:
        """Take the named tasks or warm-ups, by default all tasks. Raises UsageError."""
        assert isinstance(attempt.lab, Lab)
        self.lab, self.attempt = attempt.lab, attempt
        self.announced = ""
        """What has been ticked last, in words."""
        self.has_ended = False
        """Whether this attempt has ended or another one has begun, so that nothing changes."""
        self._exercises: Sequence[Exercise] = [
            attempt.lab.exercise(name) for name in names
        ] or attempt.lab.tasks
        self._follower = Follower(attempt)
        self._verdicts: dict[str, Verdict] = {}
        self._hints: dict[str, list[str]] = {}
        self.tasks = self._shown()

    @property
    def count(self) -> int:
        """How many of the tasks are done."""
        return sum(task.done for task in self.tasks)

    @property
    def is_done(self) -> bool:
        """Whether all of the tasks are done."""
        return self.count == len(self.tasks)

    def look(self) -> None:
        """Judge the tasks that are not done when something has happened.

        Raises EngineNotRunning or what progress_file.change() does.
        """
        if self.attempt != attempts.current(self.lab):
            self.has_ended = True
            return
        # What a cell, a terminal or the side bar has ticked is in the progress file.
        done = self._done()
        wanted = [each.name for each in self._exercises if each.name not in done]
        for verdict in self._follower.look(wanted):
            self._verdicts[verdict.task] = verdict
        self._show()

    def hint(self, name: str) -> None:
        """Take the next hint for a task. Raises what hints.hint() does."""
        given = self._hints.setdefault(name, [])
        hint = hints.hint(self.attempt, name)
        if hint not in given:
            given.append(hint)
        self._show()

    def _done(self) -> list[str]:
        labs = progress_file.read().get(self.lab.SECTION, {})
        saved = labs.get(self.lab.name, {}).get("tasks", {})
        return lab_catalog.done(self._exercises, saved)

    def _show(self) -> None:
        before = {task.name for task in self.tasks if task.done}
        self.tasks = self._shown()
        new = [task.name for task in self.tasks if task.done and task.name not in before]
        if new:
            self.announced = f"Done: {', '.join(new)}. {self.count} of {len(self.tasks)}."

    def _shown(self) -> tuple[ShownTask, ...]:
        done = self._done()
        return tuple(
            ShownTask(
                each.name,
                each.title if isinstance(each, Task) else each.name,
                self.attempt.fill(each.goal).strip(),
                each.name in done,
                self._said(each.name),
                tuple(self._hints.get(each.name, ())),
            )
            for each in self._exercises
        )

    def _said(self, name: str) -> str:
        verdict = self._verdicts.get(name)
        if not verdict:
            return ""
        how = f" {verdict.expected}" if verdict.expected.startswith("Begin it.") else ""
        return f"{verdict.said}{how}"
