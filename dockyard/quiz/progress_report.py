"""The progress in labs, questions and predictions as data."""

from __future__ import annotations

from typing import Any

from dockyard.core import progress_file
from dockyard.labs import lab_catalog


def report() -> dict[str, Any]:
    """The learner's progress as a document for JSON.

    For each lab the tasks done, the number of tasks and the hints taken; for each lesson the
    number of answers and guesses, and of right ones; the path of the progress file.
    """
    data = progress_file.read()
    labs = []
    for name in lab_catalog.names():
        lab = lab_catalog.load(name)
        tasks = data.get("labs", {}).get(name, {}).get("tasks", {})
        done = [
            task.name
            for task in lab.exercises
            if "done" in (entry := tasks.get(task.name, {})) and entry["edition"] == task.edition
        ]
        hinted = sum(entry.get("hints", 0) for entry in tasks.values())
        labs.append({"lab": name, "done": done, "of": len(lab.exercises), "hints": hinted})
    return {
        "labs": labs,
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
