"""The four hints of a task: what there is now, where to look, the shape, the solution.

A warm-up has the first and the last of them.

The learner asks for each. None is locked, none costs anything; how many were taken is written
down, for the learner alone.
"""

from __future__ import annotations

from dockyard.core import progress_file
from dockyard.labs import judge
from dockyard.labs.attempt import Attempt


def hint(attempt: Attempt, name: str) -> str:
    """The next hint for a task; after it is done, the other ways that lead there."""
    task = attempt.lab.task(name)
    (verdict,) = judge.judge(attempt, [name])
    if verdict.done:
        others = [attempt.fill(way.code) for way in task.right]
        return "Done. These ways lead there, too:\n\n" + "\n\n— or —\n\n".join(others)
    rungs = 2 if task.rep else 4
    rung = _climb(attempt, name, rungs)
    title = f"Hint {rung} of {rungs}. "
    if rung == 1:
        why = f"\n{verdict.mistake.title}: {verdict.mistake.why}" if verdict.mistake else ""
        return f"{title}{verdict.saw}{why}"
    if rung == rungs:
        return f"{title}A solution:\n\n{attempt.fill(task.right[0].code)}"
    if rung == 2:
        return title + attempt.fill(task.where)
    return f"{title}The shape, with gaps:\n\n{attempt.fill(task.shape)}"


def _climb(attempt: Attempt, name: str, rungs: int) -> int:
    if attempt.kind != "lab":
        return rungs
    with progress_file.change() as data:
        tasks = data.setdefault("labs", {}).setdefault(attempt.lab.name, {}).setdefault("tasks", {})
        entry = tasks.setdefault(name, {})
        entry["hints"] = min(entry.get("hints", 0) + 1, rungs)
        return entry["hints"]
