"""The lab catalog: one TOML file per lab in catalog/, the source of its notebooks and tests.

    title, opening, closing, minutes    text of the notebook
    guestbook                   whether $WORK gets a copy of notebooks/guestbook
    scene                       shell commands that set the scene when an attempt begins
    [values]                    what is drawn for each attempt: NAME = "name:front", "port" or
                                "token"; the learner finds it as $NAME
    [[tasks]]                   name, title, goal; `right` ways to do it, the first of which is
                                the solution; `wrong` ways, each with the mistake that the check
                                must recognise, or with what its verdict `says`, or with both;
                                `where`, which names a part of the lesson, and `shape` are two of
                                the four hints
    [[reps]]                    name, goal, right, `wrong` if need be: a minute of practice

A way is a table with the key `shell` or `python`. Tasks and reps may have more keys: `after`
names those that come first; `scene` is a visible cell that sets the scene of this task, and
`breaks` says that some of its commands fail on purpose; `fault` are hidden commands that break
something when the learner begins the case, and `symptom` those that show the damage; `start` is
the content of the learner's cell at first; `fails` says that the solution ends with an exit code
other than 0.

What is in files/LAB is copied to $WORK before the scene is set.

mistakes.toml holds the mistakes that checks recognise: a table per mistake with a title, why it
does not work, and the lesson that explains it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

from msgspec import Meta, structs

from dockyard.core import data_file
from dockyard.core.data_file import Record
from dockyard.exceptions import UsageError

FOLDER = Path(__file__).parent / "catalog"
FILES = Path(__file__).parent / "files"
"""A folder for each lab whose learners get files; most have none."""

MISTAKES = Path(__file__).parent / "mistakes.toml"

Recipe = Annotated[str, Meta(pattern=r"^(name:[a-z][a-z-]*|port|token)$")]
"""How a value is drawn."""


class Way(Record):
    """One way to do an exercise, right or wrong, in one of two languages."""

    shell: str = ""
    python: str = ""
    mistake: str | None = None
    says: str = ""
    """What the verdict on a way says, or a part of it; values are written as $NAME."""

    def __post_init__(self) -> None:
        if bool(self.shell) == bool(self.python):
            raise ValueError("A way has either the key `shell` or the key `python`")

    @property
    def code(self) -> str:
        """The commands or the program."""
        return (self.shell or self.python).strip("\n")


class Assignment(Record):
    """What a learner is asked to do, in a lab or a lesson."""

    name: str
    goal: str
    right: Annotated[tuple[Way, ...], Meta(min_length=1)]

    @property
    def edition(self) -> str:
        """A short hash of the goal. Progress made on another edition does not count."""
        return hashlib.sha256(self.goal.encode()).hexdigest()[:8]


class Exercise(Assignment):
    """What tasks and reps have in common."""

    start: str = ""
    scene: str = ""
    fault: str = ""
    symptom: str = ""
    after: tuple[str, ...] = ()
    breaks: bool = False
    fails: bool = False
    wrong: tuple[Way, ...] = ()

    def __post_init__(self) -> None:
        if not all(way.mistake or way.says for way in self.wrong):
            raise ValueError("A wrong way has the key `mistake`, the key `says`, or both")
        if bool(self.fault) != bool(self.symptom):
            raise ValueError("A case has both keys, `fault` and `symptom`")


A = TypeVar("A", bound=Assignment)


class Rep(Exercise):
    """A minute of practice before the tasks."""


class Task(Exercise, kw_only=True):
    """A task. Once done, it stays done until the end of the lab."""

    title: str
    where: str
    shape: str


class LabFile(Record, kw_only=True):
    """The content of a file in catalog/."""

    title: str
    minutes: int
    opening: str
    closing: str = ""
    guestbook: bool = False
    scene: str = ""
    values: Mapping[str, Recipe] = {}
    reps: tuple[Rep, ...] = ()
    tasks: tuple[Task, ...]

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """The reps and the tasks, in the order of the notebook."""
        return (*self.reps, *self.tasks)

    @property
    def has_cases(self) -> bool:
        """Whether its tasks are cases, each of which begins by itself."""
        return any(task.fault for task in self.tasks)


class Page(Protocol):
    """A page with tasks: a lab or a lesson."""

    SECTION: ClassVar[str]
    """Where the progress file has the tasks of such pages."""
    CHECKS: ClassVar[str]
    """The package with a module of checks for each of them."""

    @property
    def name(self) -> str:
        """Its name, such as ``03-containers``."""

    @property
    def values(self) -> Mapping[str, Recipe]:
        """What is drawn for each attempt."""

    @property
    def tasks(self) -> Sequence[Assignment]:
        """The tasks that are counted."""

    def exercise(self, name: str) -> Assignment:
        """The task with this name. Raises UsageError, which lists all names."""


def find(page: str, among: Sequence[A], name: str) -> A:
    """The assignment of a page with this name. Raises UsageError, which lists all names."""
    for each in among:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in among)
    raise UsageError(f"{page} has no task {name!r}.", next=f"Choose one of: {known}.")


def done(
    tasks: Sequence[Assignment], entries: Mapping[str, Mapping[str, Any]], *, ever: bool = False
) -> list[str]:
    """The tasks that are done in their present edition, by their entries in the progress file.

    With ever, those also count that were done before: in an earlier visit to a lesson, or in a lab
    of the first edition.
    """
    return [
        task.name
        for task in tasks
        if (entry := entries.get(task.name, {})).get("edition") == task.edition
        and ("done" in entry or (ever and "before" in entry))
    ]


def done_of(page: Page, data: Mapping[str, Any], *, ever: bool = False) -> list[str]:
    """The tasks of a page that are done, by the content of the progress file.

    All totals count these, of page.tasks: the warm-ups of a lab are practice and do not count.
    """
    saved = data.get(page.SECTION, {}).get(page.name, {})
    return done(page.tasks, saved.get("tasks", {}), ever=ever)


class Lab(LabFile, kw_only=True):
    """The exercises that belong to one lesson."""

    SECTION: ClassVar[str] = "labs"
    CHECKS: ClassVar[str] = "dockyard.labs.checks"

    name: str

    def exercise(self, name: str) -> Exercise:
        """The rep or task with this name. Raises UsageError, which lists all names."""
        return find(self.name, self.exercises, name)


class MistakeRecord(Record):
    """An entry of mistakes.toml."""

    title: str
    why: str
    lesson: str = ""


class Mistake(MistakeRecord, kw_only=True):
    """A way that beginners often take, and why it does not work."""

    name: str

    @property
    def explanation(self) -> str:
        """The title and the reason, on one line."""
        return f"{self.title}: {self.why}"


def names() -> list[str]:
    """The names of all labs, in the order of the course."""
    return data_file.names(FOLDER)


@functools.cache
def load(name: str) -> Lab:
    """A lab, by its name or the number at its beginning.

    Raises UsageError when there is no such lab, InvalidDataFile when its file is not valid.
    """
    name = data_file.choose(FOLDER, name, f"There is no lab called {name!r}.")
    file = data_file.load(FOLDER / f"{name}.toml", LabFile)
    return Lab(name=name, **structs.asdict(file))


@functools.cache
def mistakes() -> dict[str, Mistake]:
    """The mistakes that checks recognise, by name. Raises InvalidDataFile."""
    records = data_file.load(MISTAKES, dict[str, MistakeRecord])
    return {name: Mistake(name=name, **structs.asdict(each)) for name, each in records.items()}
