"""The progress in lessons, labs, drills, questions and predictions as data."""

from __future__ import annotations

from datetime import date
from typing import Any

from dockyard.core import progress_file
from dockyard.drills import drill_catalog, schedule
from dockyard.labs import lab_catalog
from dockyard.lessons import lesson_catalog


def report() -> dict[str, Any]:
    """The learner's progress as a document for JSON.

    For each lesson and lab the tasks done and the number of tasks, for labs also the hints taken;
    how many drills were done and how many of them are due again; for each lesson the number of
    answers and guesses, and of right ones; the path of the progress file.
    """
    data = progress_file.read()
    lessons = []
    for name in lesson_catalog.names():
        lesson = lesson_catalog.load(name)
        done = lab_catalog.done_of(lesson, data, ever=True)
        lessons.append({"lesson": name, "done": done, "of": len(lesson.tasks)})
    labs = []
    for name in lab_catalog.names():
        lab = lab_catalog.load(name)
        entries = data.get("labs", {}).get(name, {}).get("tasks", {})
        hints = sum(entry.get("hints", 0) for entry in entries.values())
        done = lab_catalog.done_of(lab, data, ever=True)
        labs.append({"lab": name, "done": done, "of": len(lab.tasks), "hints": hints})
    return {
        "lessons": lessons,
        "labs": labs,
        "drills": schedule.count(
            drill_catalog.load().values(), data.get("drills", {}), date.today()
        ),
        "answers": _counts(data.get("answers", {})),
        "guesses": _counts(data.get("guesses", {})),
        "file": str(progress_file.path()),
    }


def _counts(given: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "lesson": lesson,
            "given": len(entries),
            "right": sum(bool(entry.get("right")) for entry in entries.values()),
        }
        for lesson, entries in sorted(given.items())
    ]
