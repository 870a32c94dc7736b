"""The questions and predictions: one TOML file a lesson in bank/.

[[questions]]           name, ask; `options`, each with text and note (why it is wrong, or
                        right), one of them right = true; `settle`, shell commands that
                        settle the question on the daemon and remove what they made;
                        `shows`, what they print
[predictions.NAME]      NAME is the id of the cell whose output is foretold; `options`, the
                        letters and texts that stand above the cell; `right`, a letter;
                        `notes`, one for each wrong letter
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from dockyard.core import paths
from dockyard.exceptions import UsageError

FOLDER = Path(__file__).parent / "questions"
LETTERS = "abcdef"


@dataclass(frozen=True)
class Option:
    """One possible answer, and what is to be said about it."""

    letter: str
    text: str
    note: str = ""
    right: bool = False


@dataclass(frozen=True)
class Asked:
    """What questions and predictions have in common: a name, and options of which one is right."""

    name: str
    options: tuple[Option, ...]

    @property
    def right(self) -> Option:
        """The option that is right."""
        (right,) = (option for option in self.options if option.right)
        return right

    def option(self, letter: str) -> Option:
        """The option with that letter. Raises KeyError."""
        return {option.letter: option for option in self.options}[letter]


@dataclass(frozen=True)
class Question(Asked):
    """A question at the end of a lesson, with the commands that settle it."""

    ask: str
    settle: str
    shows: str


@dataclass(frozen=True)
class Lesson:
    """All that is asked in one lesson."""

    name: str
    questions: tuple[Question, ...]
    predictions: tuple[Asked, ...]

    def question(self, name: str) -> Question:
        """The question of that name. Raises UsageError, naming those that there are."""
        return _named("question", name, self.questions)

    def prediction(self, name: str) -> Asked:
        """The prediction of that name. Raises UsageError, naming those that there are."""
        return _named("prediction", name, self.predictions)


def _named(kind: str, name: str, among: tuple):
    for each in among:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in among)
    raise UsageError(f"There is no {kind} called {name!r}.", next=f"Choose one of: {known}.")


def names() -> list[str]:
    """The lessons that have questions, in the order of the course."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@functools.cache
def load(name: str) -> Lesson:
    """What is asked in a lesson, by its name or the number it begins with. Raises UsageError."""
    found = [each for each in names() if paths.means(name, each)]
    if len(found) != 1:
        raise UsageError(
            f"There are no questions for {name!r}.", next=f"Choose one of: {', '.join(names())}."
        )
    data = tomllib.loads((FOLDER / f"{found[0]}.toml").read_text())
    return Lesson(
        found[0],
        tuple(_question(**each) for each in data["questions"]),
        tuple(_prediction(key, **each) for key, each in data.get("predictions", {}).items()),
    )


def _question(name: str, ask: str, options: list[dict], settle: str, shows: str) -> Question:
    given = tuple(
        Option(letter, **option) for letter, option in zip(LETTERS, options, strict=False)
    )
    return Question(name, given, ask, settle.strip("\n"), shows.strip("\n"))


def _prediction(name: str, options: dict[str, str], right: str, notes: dict[str, str]) -> Asked:
    return Asked(
        name,
        tuple(
            Option(letter, text, notes.get(letter, ""), letter == right)
            for letter, text in options.items()
        ),
    )
