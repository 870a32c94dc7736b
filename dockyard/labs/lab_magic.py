"""A lab in a notebook: ``%lab NAME`` begins or resumes it and brings ``check`` and ``hint``."""

from __future__ import annotations

import os

from dockyard.exceptions import UsageError
from dockyard.labs import attempt as attempts
from dockyard.labs import hints, judge, lab_catalog
from dockyard.labs.attempt import Attempt


class Said:
    """Text that a cell shows as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def begin(line: str, namespace: dict) -> Attempt:
    """Handle ``%lab NAME [--new]``; ``--solution`` is for the worked notebook.

    An attempt that has begun goes on, with its values and what was made in it; ``--new``
    removes that and draws new values.
    """
    words = line.split()
    names = [word for word in words if not word.startswith("--")]
    options = set(words) - set(names)
    if len(names) != 1 or options - {"--new", "--solution"}:
        raise UsageError("Say which lab this is.", next="For example:  %lab 07-containers")
    lab = lab_catalog.load(names[0])
    if "--solution" in options:
        attempt = attempts.begin(lab, "solution")
    else:
        attempt = attempts.begin(lab) if "--new" in options else attempts.resume(lab)
    os.environ.update(attempt.environment())
    os.chdir(attempt.work)
    namespace |= {"check": Checker(attempt), "hint": Hinter(attempt)}
    print(describe(attempt))
    return attempt


def describe(attempt: Attempt) -> str:
    """The values of an attempt, and how to have them in a terminal."""
    width = max((len(name) for name in attempt.values), default=0)
    values = [f"  ${name:<{width}}  {value}" for name, value in attempt.values.items()]
    lines = ["Your values in this lab:", *values] if values else ["Ready."]
    lines.append(
        f"Your folder, $WORK, in which the cells of this page run: {attempt.fill('$WORK')}"
    )
    if attempt.kind == "lab":
        lines.append(
            "To work in a terminal, type there:  "
            f'eval "$(python3 -m dockyard engine env --lab {attempt.lab.name})"'
        )
    return "\n".join(lines)


class Checker:
    """``check("TASK")`` looks whether a task is done, ``check()`` at all of them."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __call__(self, *tasks: str) -> Said:
        """The verdict on a task, or on all."""
        verdicts = judge.judge(self._attempt, tasks)
        if len(tasks) == 1:
            ask = "" if verdicts[0].done else f'\n    Stuck?  hint("{tasks[0]}")'
            return Said(f"{verdicts[0]}{ask}")
        return Said(judge.summary(verdicts))

    def __repr__(self) -> str:
        return f'check("TASK") for {self._attempt.lab.name}'


class Hinter:
    """``hint("TASK")`` gives the next hint."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __call__(self, task: str) -> Said:
        """The next hint for a task."""
        return Said(hints.hint(self._attempt, task))

    def __repr__(self) -> str:
        return f'hint("TASK") for {self._attempt.lab.name}'
