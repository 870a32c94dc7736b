"""The learner's answers and predictions, kept in the progress file (core/progress_file.py)."""

from __future__ import annotations

from dockyard.core import progress_file
from dockyard.quiz.bank import Asked

ANSWERS = "answers"
GUESSES = "guesses"


def note(kind: str, lesson: str, asked: Asked, letter: str) -> None:
    """Write down an answer or a guess; an earlier one is replaced, and the tries are counted.

    Raises Busy when another notebook holds the progress for too long, or OSError.
    """
    with progress_file.change() as data:
        entries = data.setdefault(kind, {}).setdefault(lesson, {})
        entries[asked.name] = {
            "chosen": letter,
            "right": asked.option(letter).right,
            "tries": entries.get(asked.name, {}).get("tries", 0) + 1,
            "when": progress_file.now(),
        }


def earlier(kind: str, lesson: str) -> dict[str, dict]:
    """What was answered or foretold in a lesson so far, by name."""
    return progress_file.read().get(kind, {}).get(lesson, {})
