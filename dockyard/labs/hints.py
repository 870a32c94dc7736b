"""The four hints of a task: the present state, where to look, the shape, the solution.

A warm-up has only the first and the last. Learners ask for each hint; none is locked or costs
anything. The number taken is saved in the learner's own progress file.
"""

from __future__ import annotations

from dockyard.labs import judge
from dockyard.labs.attempt import Attempt, change_tasks
from dockyard.labs.lab_catalog import Task


def hint(attempt: Attempt, name: str) -> str:
    """The next hint for a task; once it is done, all ways to do it."""
    task = attempt.lab.exercise(name)
    (verdict,) = judge.judge(attempt, [name])
    if verdict.done:
        others = [attempt.fill(way.code) for way in task.right]
        return "Done. These ways lead there, too:\n\n" + "\n\n— or —\n\n".join(others)
    why = f"\n{verdict.mistake.explanation}" if verdict.mistake else ""
    hints = [f"{verdict.saw}{why}"]
    if isinstance(task, Task):
        hints += [
            attempt.fill(task.where),
            f"The shape, with gaps:\n\n{attempt.fill(task.shape)}",
        ]
    hints.append(f"A solution:\n\n{attempt.fill(task.right[0].code)}")
    number = _count(attempt, name, len(hints))
    return f"Hint {number} of {len(hints)}. {hints[number - 1]}"


def _count(attempt: Attempt, name: str, most: int) -> int:
    """The number of the next hint, saved for a learner's attempt; others get the last one."""
    if attempt.kind != "lab":
        return most
    with change_tasks(attempt.lab) as tasks:
        entry = tasks.setdefault(name, {})
        entry["hints"] = min(entry.get("hints", 0) + 1, most)
        return entry["hints"]
