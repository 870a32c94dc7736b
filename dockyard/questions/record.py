"""What the learner has answered and foretold, in the progress (see dockyard/progress.py)."""

from __future__ import annotations

from dockyard import progress
from dockyard.questions.bank import Asked

ANSWERS = "answers"
GUESSES = "guesses"


def note(kind: str, lesson: str, asked: Asked, letter: str) -> None:
    """Write down an answer or a guess; an earlier one is replaced, and the tries are counted.

    Raises Busy when another notebook holds the progress for too long, or OSError.
    """
    with progress.change() as data:
        entries = data.setdefault(kind, {}).setdefault(lesson, {})
        entries[asked.name] = {
            "chosen": letter,
            "right": asked.option(letter).right,
            "tries": entries.get(asked.name, {}).get("tries", 0) + 1,
            "when": progress.now(),
        }


def earlier(kind: str, lesson: str) -> dict[str, dict]:
    """What was answered or foretold in a lesson so far, by name."""
    return progress.read().get(kind, {}).get(lesson, {})
