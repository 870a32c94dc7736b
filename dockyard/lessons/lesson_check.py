"""What ``%check`` says about the tasks of a lesson."""

from __future__ import annotations

from collections.abc import Sequence

from dockyard.exceptions import UsageError
from dockyard.labs import judge
from dockyard.labs.attempt import Attempt
from dockyard.lessons import lesson_catalog


def report(attempt: Attempt, tasks: Sequence[str], hint: bool = False) -> str:
    """The verdicts on the named tasks, by default on all; with hint, their hints instead.

    Raises UsageError for an unknown task or EngineNotRunning.
    """
    lesson = lesson_catalog.load(attempt.lab.name)
    if not lesson.tasks:
        raise UsageError(f"{lesson.name} has no tasks.")
    if hint:
        asked = [lesson.exercise(name) for name in tasks] or lesson.tasks
        return "\n".join(f"{task.name}: {task.hint}" for task in asked)
    verdicts = judge.judge(attempt, tasks)
    if len(tasks) != 1:
        return judge.summary(verdicts)
    (verdict,) = verdicts
    stuck = not (verdict.done or verdict.check_failed)
    return f"{verdict}\n    Stuck?  %check {tasks[0]} --hint" if stuck else str(verdict)
