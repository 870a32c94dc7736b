"""The labs: one TOML file each in catalog/, from which the notebooks and the tests are made.

    title, opening, minutes     what the page says
    scene                       shell commands that set the scene when an attempt begins
    [values]                    what is drawn for each attempt: NAME = "name:front", "port",
                                "token"; the learner finds it as $NAME
    [[tasks]]                   name, title, goal; `right` ways to do it, the first of them the
                                solution; `wrong` ways, each with the mistake it must be
                                recognised as; `where` and `shape`, two of the four hints
    [[reps]]                    name, goal, right: a minute of practice

A way is a table with one key: shell or python. `after` names tasks that come first; `scene`
is a visible cell that sets a task's own scene, and `breaks` says that some of its commands fail
on purpose; `start` is what the learner's cell holds at first; `fails` says that the solution
ends with an exit code of its own.
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dockyard.core import paths
from dockyard.exceptions import UsageError

FOLDER = Path(__file__).parent / "catalog"
MISTAKES = Path(__file__).parent / "mistakes.toml"
LANGUAGES = ("shell", "python")


@dataclass(frozen=True)
class Way:
    """One way to do a task, right or wrong: code in a language, and the mistake it is."""

    language: str
    code: str
    mistake: str | None = None


@dataclass(frozen=True)
class Task:
    """One thing to do, in the learner's words."""

    name: str
    goal: str
    right: tuple[Way, ...]
    title: str = ""
    where: str = ""
    shape: str = ""
    start: str = ""
    scene: str = ""
    wrong: tuple[Way, ...] = ()
    after: tuple[str, ...] = ()
    rep: bool = False
    breaks: bool = False
    fails: bool = False

    @property
    def edition(self) -> str:
        """Changes when the task changes, so that an old tick does not count for a new task."""
        return hashlib.sha256(self.goal.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Lab:
    """The tasks that belong to one lesson."""

    name: str
    title: str
    minutes: int
    opening: str
    scene: str
    values: Mapping[str, str]
    tasks: tuple[Task, ...]
    closing: str = ""

    @property
    def graded(self) -> list[Task]:
        """The tasks without the reps; once done, they stay done to the end of the lab."""
        return [task for task in self.tasks if not task.rep]

    def task(self, name: str) -> Task:
        """The task of that name. Raises UsageError, naming those that there are."""
        for task in self.tasks:
            if task.name == name:
                return task
        known = ", ".join(task.name for task in self.tasks)
        raise UsageError(f"{self.name} has no task {name!r}.", next=f"Choose one of: {known}.")


@dataclass(frozen=True)
class Mistake:
    """A way that beginners often take, and why it does not lead there."""

    name: str
    title: str
    why: str
    lesson: str = field(default="")


def names() -> list[str]:
    """The labs' names, in the order of the course."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@functools.cache
def load(name: str) -> Lab:
    """One lab by its name, or by the number it begins with. Raises UsageError."""
    found = [each for each in names() if paths.means(name, each)]
    if len(found) != 1:
        raise UsageError(
            f"There is no lab called {name!r}.", next=f"Choose one of: {', '.join(names())}."
        )
    data = tomllib.loads((FOLDER / f"{found[0]}.toml").read_text())
    reps = tuple(_task(each, rep=True) for each in data.pop("reps", []))
    tasks = tuple(_task(each, rep=False) for each in data.pop("tasks"))
    return Lab(
        name=found[0],
        tasks=reps + tasks,
        scene=data.pop("scene", ""),
        values=data.pop("values", {}),
        **data,
    )


def _task(data: dict, *, rep: bool) -> Task:
    right = tuple(map(_way, data.pop("right")))
    wrong = tuple(map(_way, data.pop("wrong", [])))
    return Task(right=right, wrong=wrong, after=tuple(data.pop("after", ())), rep=rep, **data)


def _way(data: dict) -> Way:
    mistake = data.pop("mistake", None)
    ((language, code),) = data.items()
    if language not in LANGUAGES:
        raise ValueError(f"a way is written in one of {LANGUAGES}, not in {language!r}")
    return Way(language, code.strip("\n"), mistake)


@functools.cache
def mistakes() -> dict[str, Mistake]:
    """The bank of mistakes that are recognised, by name."""
    data = tomllib.loads(MISTAKES.read_text())
    return {name: Mistake(name, **fields) for name, fields in data.items()}
