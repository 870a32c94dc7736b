"""``progress``: what has been done so far in labs, questions and predictions."""

from __future__ import annotations

import argparse
import json

from dockyard.core import progress_file
from dockyard.labs import lab_catalog


def run(options: argparse.Namespace) -> int:
    """Print what has been done so far in labs, questions and predictions; returns 0."""
    document = report()
    if options.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        print(render(document))
    return 0


def report() -> dict:
    """The progress as data: for each lab the tasks done, of how many, and the hints taken."""
    data = progress_file.read()
    labs = []
    for name in lab_catalog.names():
        lab = lab_catalog.load(name)
        tasks = data.get("labs", {}).get(name, {}).get("tasks", {})
        done = [
            task.name
            for task in lab.tasks
            if "done" in (entry := tasks.get(task.name, {})) and entry["edition"] == task.edition
        ]
        hinted = sum(entry.get("hints", 0) for entry in tasks.values())
        labs.append({"lab": name, "done": done, "of": len(lab.tasks), "hints": hinted})
    return {
        "labs": labs,
        "answers": _counts(data.get("answers", {})),
        "guesses": _counts(data.get("guesses", {})),
        "file": str(progress_file.path()),
    }


def _counts(given: dict) -> list[dict]:
    return [
        {
            "lesson": lesson,
            "given": len(entries),
            "right": sum(bool(entry.get("right")) for entry in entries.values()),
        }
        for lesson, entries in sorted(given.items())
    ]


def render(document: dict) -> str:
    """The progress as a table for people."""
    lines = ["Labs"]
    for each in document["labs"]:
        bar = "■" * len(each["done"]) + "□" * (each["of"] - len(each["done"]))
        lines.append(f"  {each['lab']:<32} {len(each['done']):>2} of {each['of']:>2}  {bar}")
    for key, title in (("answers", "Questions"), ("guesses", "Predictions")):
        if document[key]:
            lines.append(title)
            lines += [
                f"  {each['lesson']:<32} {each['right']:>2} right of {each['given']} given"
                for each in document[key]
            ]
    return "\n".join(lines)
