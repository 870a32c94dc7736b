"""The bank of questions and predictions: one TOML file per lesson in questions/.

[[questions]]           name, ask; `options`, each with a text and a note that says why it is
                        right or wrong, one of them with right = true; `settle`, shell
                        commands that settle the question on the daemon and remove what they
                        make; `shows`, what they print
[predictions.NAME]      NAME is the id of the predicted cell; `options`, letters and texts;
                        `right`, a letter; `notes`, one for each wrong letter; `explanation`,
                        Markdown that appears below the output with it
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dockyard.core import data_file
from dockyard.core.data_file import Record
from dockyard.exceptions import UsageError

FOLDER = Path(__file__).parent / "questions"
LETTERS = "abcdef"


@dataclass(frozen=True)
class Option:
    """One possible answer, with a note that says why it is right or wrong."""

    letter: str
    text: str
    note: str = ""
    right: bool = False


@dataclass(frozen=True)
class MultipleChoice:
    """What questions and predictions have in common: a name, and options of which one is right."""

    name: str
    options: tuple[Option, ...]

    @property
    def right(self) -> Option:
        """The right option."""
        (right,) = (option for option in self.options if option.right)
        return right

    def option(self, letter: str) -> Option:
        """The option with this letter. Raises KeyError."""
        return {option.letter: option for option in self.options}[letter]


@dataclass(frozen=True)
class Predicted(MultipleChoice):
    """What a cell may print, and the explanation of what it does print, in Markdown."""

    explanation: str = ""


@dataclass(frozen=True)
class Question(MultipleChoice):
    """A question at the end of a lesson, with the commands that settle it."""

    ask: str
    settle: str
    shows: str


Choice = TypeVar("Choice", bound=MultipleChoice)


@dataclass(frozen=True)
class Lesson:
    """The questions and predictions of one lesson."""

    name: str
    questions: tuple[Question, ...]
    predictions: tuple[Predicted, ...]

    def question(self, name: str) -> Question:
        """The question with this name. Raises UsageError, which lists all names."""
        return _named("question", name, self.questions)

    def prediction(self, name: str) -> Predicted:
        """The prediction with this name. Raises UsageError, which lists all names."""
        return _named("prediction", name, self.predictions)


class OptionRecord(Record):
    """An option of a question in a file; its letter follows from its place."""

    text: str
    note: str
    right: bool = False


class QuestionRecord(Record):
    """A question in a file."""

    name: str
    ask: str
    options: tuple[OptionRecord, ...]
    settle: str
    shows: str

    def __post_init__(self) -> None:
        if sum(option.right for option in self.options) != 1:
            raise ValueError("Exactly one of `options` must have right = true")

    def question(self) -> Question:
        """The question, with letters for its options."""
        options = tuple(
            Option(letter, option.text, option.note, option.right)
            for letter, option in zip(LETTERS, self.options, strict=False)
        )
        return Question(
            self.name, options, self.ask, self.settle.strip("\n"), self.shows.strip("\n")
        )


class PredictionRecord(Record):
    """A prediction in a file, without its name."""

    options: Mapping[str, str]
    right: str
    notes: Mapping[str, str]
    explanation: str = ""

    def __post_init__(self) -> None:
        if self.right not in self.options:
            raise ValueError(f"`right` is {self.right!r}, which is not one of `options`")
        if (wrong := self.options.keys() - {self.right}) != self.notes.keys():
            raise ValueError(f"`notes` must have exactly the wrong letters: {sorted(wrong)}")

    def prediction(self, name: str) -> Predicted:
        """The prediction for the cell with this name."""
        return Predicted(
            name,
            tuple(
                Option(letter, text, self.notes.get(letter, ""), letter == self.right)
                for letter, text in self.options.items()
            ),
            self.explanation.strip("\n"),
        )


class BankFile(Record):
    """The content of a file in questions/."""

    questions: tuple[QuestionRecord, ...]
    predictions: Mapping[str, PredictionRecord] = {}


def names() -> list[str]:
    """The lessons that have questions, in the order of the course."""
    return data_file.names(FOLDER)


@functools.cache
def load(name: str) -> Lesson:
    """The questions of a lesson, by its name or the number at its beginning.

    Raises UsageError when it has none, InvalidDataFile when its file is not valid.
    """
    name = data_file.choose(FOLDER, name, f"There are no questions for {name!r}.")
    file = data_file.load(FOLDER / f"{name}.toml", BankFile)
    return Lesson(
        name,
        tuple(record.question() for record in file.questions),
        tuple(record.prediction(cell) for cell, record in file.predictions.items()),
    )


def _named(kind: str, name: str, choices: tuple[Choice, ...]) -> Choice:
    for choice in choices:
        if choice.name == name:
            return choice
    known = ", ".join(choice.name for choice in choices)
    raise UsageError(f"There is no {kind} called {name!r}.", next=f"Choose one of: {known}.")
