"""The four hints of a task: what there is now, where to look, the shape, the solution.

The learner asks for each. None is locked, none costs anything; how many were taken is written
down, for the learner alone.
"""

from __future__ import annotations

from dockyard import progress
from dockyard.labs import judge
from dockyard.labs.attempt import Attempt

RUNGS = 4


def hint(attempt: Attempt, name: str) -> str:
    """The next hint for a task; after it is done, the other ways that lead there."""
    task = attempt.lab.task(name)
    (verdict,) = judge.judge(attempt, [name])
    if verdict.done:
        others = [attempt.fill(way.code) for way in task.right]
        return "Done. These ways lead there, too:\n\n" + "\n\n— or —\n\n".join(others)
    rung = _climb(attempt, name)
    if task.rep and rung > 1:
        rung = RUNGS
    title = f"Hint {rung} of {RUNGS}. "
    if rung == 1:
        why = f"\n{verdict.mistake.title}: {verdict.mistake.why}" if verdict.mistake else ""
        return f"{title}{verdict.saw}{why}"
    if rung == 2:
        return title + attempt.fill(task.where)
    if rung == 3:
        return f"{title}The shape, with gaps:\n\n{attempt.fill(task.shape)}"
    return f"{title}A solution:\n\n{attempt.fill(task.right[0].code)}"


def _climb(attempt: Attempt, name: str) -> int:
    if attempt.kind != "lab":
        return RUNGS
    with progress.change() as data:
        tasks = data.setdefault("labs", {}).setdefault(attempt.lab.name, {}).setdefault("tasks", {})
        entry = tasks.setdefault(name, {})
        entry["hints"] = min(entry.get("hints", 0) + 1, RUNGS)
        return entry["hints"]
