"""What a check found, in the learner's words."""

from __future__ import annotations

from dataclasses import dataclass

from dockyard.labs.lab_catalog import Mistake


class NotYet(Exception):
    """Raised by a check: the task is not done, and this is what there is now.

    saw is one sentence. mistake names an entry of mistakes.toml when the way that was taken is
    a well-known wrong one. expected is said when it is not plain from the goal.
    """

    state = "not yet"

    def __init__(self, saw: str, *, mistake: str | None = None, expected: str = "") -> None:
        self.saw = saw
        self.mistake = mistake
        self.expected = expected
        super().__init__(saw)


class Broken(NotYet):
    """Raised by a check: what was asked for is there and does not work."""

    state = "broken"


@dataclass(frozen=True)
class Verdict:
    """One task: its state ("done", "not yet" or "broken") and one sentence about what is there."""

    task: str
    state: str
    saw: str
    expected: str = ""
    mistake: Mistake | None = None

    @property
    def done(self) -> bool:
        """Whether the task is done."""
        return self.state == "done"

    def as_json(self) -> dict:
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
            lines.append(f"    {self.mistake.title}: {self.mistake.why}")
        return "\n".join(lines)
