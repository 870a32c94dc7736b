"""``progress``: shows what is done so far in lessons, labs, questions and predictions."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from dockyard.core import progress_file
from dockyard.core.console import say
from dockyard.quiz import first_edition_progress, progress_report


def run(options: argparse.Namespace) -> int:
    """Print what has been done so far; returns 0."""
    first_edition_progress.carry_over(say)
    document = progress_report.report()
    if fault := progress_file.fault():
        print(fault, file=sys.stderr)
    if options.json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        print(render(document))
    return 0


def render(document: dict[str, Any]) -> str:
    """The progress as a table for people."""
    lines = []
    for key, title, name in (("lessons", "Lessons", "lesson"), ("labs", "Labs", "lab")):
        lines.append(title)
        for each in document[key]:
            bar = "■" * len(each["done"]) + "□" * (each["of"] - len(each["done"]))
            lines.append(f"  {each[name]:<32} {len(each['done']):>2} of {each['of']:>2}  {bar}")
    drills = document["drills"]
    lines.append(f"Drills: {drills['done']} of {drills['of']} done, {drills['due']} due again")
    for key, title in (("answers", "Questions"), ("guesses", "Predictions")):
        if document[key]:
            lines.append(title)
            lines += [
                f"  {each['lesson']:<32} {each['right']:>2} right of {each['given']} given"
                for each in document[key]
            ]
    return "\n".join(lines)
