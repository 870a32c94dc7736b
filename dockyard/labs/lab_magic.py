"""``%lab NAME`` begins or resumes a lab in a notebook and defines ``check`` and ``hint``."""

from __future__ import annotations

import os
import random
from typing import Any

from dockyard import preparation
from dockyard.core import classroom_file
from dockyard.exceptions import UsageError
from dockyard.labs import attempt as attempts
from dockyard.labs import hints, judge, lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.lab_catalog import Lab


class PlainText:
    """Text that a cell shows without quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def begin(line: str, namespace: dict[str, Any]) -> Attempt:
    """Run ``%lab NAME [--new]``; ``--solution`` is for the solution notebook.

    Resumes an attempt that has begun, with its values and objects; ``--new`` removes its objects
    and draws new values. Raises UsageError, EngineNotRunning or SceneFailed.
    """
    words = line.split()
    names = [word for word in words if not word.startswith("--")]
    options = set(words) - set(names)
    if len(names) != 1 or options - {"--new", "--solution"}:
        raise UsageError("Say which lab this is.", next="For example:  %lab 03-containers")
    lab = lab_catalog.load(names[0])
    preparation.wait_for_lab(lab.name)
    if "--solution" in options:
        attempt = attempts.begin(lab, "solution")
    else:
        attempt = attempts.begin(lab) if "--new" in options else attempts.resume(lab)
    os.environ.update(attempt.environment())
    os.chdir(attempt.work)
    namespace |= {"check": Checker(attempt), "hint": Hinter(attempt)}
    if lab.has_cases:
        namespace["case"] = CaseOpener(lab, attempt)
    print(attempts.describe(attempt))
    return attempt


class Checker:
    """``check("TASK")`` judges one task, ``check()`` all of them."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __call__(self, *tasks: str) -> PlainText:
        """The verdict on one task, or on several with a summary."""
        verdicts = judge.judge(self._attempt, tasks)
        news = classroom_file.news() if self._attempt.is_learners else ""
        said = f"\n{news}" if news else ""
        if len(tasks) == 1:
            (verdict,) = verdicts
            stuck = not (verdict.done or verdict.check_failed)
            ask = f'\n    Stuck?  hint("{tasks[0]}")' if stuck else ""
            return PlainText(f"{verdict}{ask}{said}")
        return PlainText(judge.summary(verdicts) + said)

    def __repr__(self) -> str:
        return f'check("TASK") for {self._attempt.lab.name}'


class Hinter:
    """``hint("TASK")`` gives the next hint for a task."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __call__(self, task: str) -> PlainText:
        """The next hint for a task."""
        return PlainText(hints.hint(self._attempt, task))

    def __repr__(self) -> str:
        return f'hint("TASK") for {self._attempt.lab.name}'


class CaseOpener:
    """``case("TASK")`` breaks what a case is about and shows it; ``case()`` draws one."""

    def __init__(self, lab: Lab, attempt: Attempt) -> None:
        self._lab = lab
        self._attempt = attempt

    def __call__(self, task: str = "") -> PlainText:
        """Begin a case, or begin it again: its values, and what one sees of it.

        Without a name it draws one that has not begun, as long as there is one.
        """
        begun = attempts.begun_cases(self._attempt)
        names = [each.name for each in self._lab.tasks if each.name not in begun]
        drawn = task or random.choice(names or [each.name for each in self._lab.tasks])
        text = attempts.begin_case(self._attempt, self._lab.exercise(drawn))
        return PlainText(text if task else f'{text}\n\nSolved?  check("{drawn}")')

    def __repr__(self) -> str:
        return f'case("TASK") for {self._lab.name}'
