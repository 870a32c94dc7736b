"""What a check found, in the learner's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dockyard.labs.lab_catalog import Mistake

State = Literal["done", "not yet", "broken", "check failed"]
"""The state of a task. "check failed" means a mistake in the course, not in the task."""


class NotYet(Exception):
    """Raised by a check when the task is not done.

    saw is one sentence about the present state. mistake names an entry of mistakes.toml when the
    learner took a well-known wrong way. expected replaces the task's goal in the verdict.
    """

    state: State = "not yet"

    def __init__(self, saw: str, *, mistake: str | None = None, expected: str = "") -> None:
        self.saw = saw
        self.mistake = mistake
        self.expected = expected
        super().__init__(saw)


class Broken(NotYet):
    """Raised by a check when the object exists but does not work."""

    state = "broken"


@dataclass(frozen=True)
class Verdict:
    """The state of one task, with one sentence about what the check saw."""

    task: str
    state: State
    saw: str
    expected: str = ""
    mistake: Mistake | None = None

    @property
    def done(self) -> bool:
        """Whether the task is done."""
        return self.state == "done"

    @property
    def check_failed(self) -> bool:
        """Whether the check itself failed, so that nothing is known about the task."""
        return self.state == "check failed"

    @property
    def said(self) -> str:
        """What the check saw, and the explanation of a mistake."""
        return f"{self.saw} {self.mistake.explanation}" if self.mistake else self.saw

    def as_json(self) -> dict[str, str | None]:
        """The verdict as plain data."""
        return {
            "task": self.task,
            "state": self.state,
            "saw": self.saw,
            "expected": self.expected,
            "mistake": self.mistake.name if self.mistake else None,
        }

    def __str__(self) -> str:
        mark = "✔" if self.done else "✘"
        lines = [f"{mark} {self.task}: {self.state}. {self.saw}"]
        if self.expected:
            lines.append(f"    Expected: {self.expected}")
        if self.mistake:
            lines.append(f"    {self.mistake.explanation}")
        return "\n".join(lines)


def brief(text: str) -> str:
    """The beginning of a program's output, on one line, to quote it in a verdict."""
    return " ".join(text.split())[:100]
