"""Saves the learner's answers and predictions in the progress file (core/progress_file.py)."""

from __future__ import annotations

from typing import Any

from dockyard.core import progress_file
from dockyard.quiz.bank import MultipleChoice

ANSWERS = "answers"
GUESSES = "guesses"


def save(kind: str, lesson: str, asked: MultipleChoice, letter: str) -> None:
    """Save an answer or a guess in place of an earlier one, and count the tries.

    Raises what progress_file.change() does.
    """
    with progress_file.change() as data:
        entries = data.setdefault(kind, {}).setdefault(lesson, {})
        entries[asked.name] = {
            "chosen": letter,
            "right": asked.option(letter).right,
            "tries": entries.get(asked.name, {}).get("tries", 0) + 1,
            "when": progress_file.now(),
        }


def earlier(kind: str, lesson: str) -> dict[str, dict[str, Any]]:
    """The saved answers or guesses of a lesson, by the name of the question or prediction."""
    return progress_file.read().get(kind, {}).get(lesson, {})
