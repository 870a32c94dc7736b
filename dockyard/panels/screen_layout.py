"""What is on each line of the screen of ``check --watch``, in a terminal of any size.

Words are not broken, unless one is wider than the terminal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from dockyard.labs.task_board import ShownTask

KEYS = "h hint · n next task · p previous · q quit"
LOOKING = "looking …"
TOO_SMALL = "Too small to show the lab. Enlarge the terminal, or press q."
WIDTH, ROWS = 20, 3
"""The least columns, and the least lines for the task at hand."""
ROOMY = 20
"""The lines from which on there is one to spare."""


@dataclass(frozen=True)
class ScreenContent:
    """What the screen shows, whatever its size."""

    title: str
    tasks: tuple[ShownTask, ...]
    at: int
    """The index of the task at hand."""
    scroll: int | None
    """The line of the task at hand that is shown first; None for the newest hint's first."""
    busy: bool
    message: str

    @property
    def task(self) -> ShownTask:
        """The task at hand."""
        return self.tasks[self.at]


class Layout(NamedTuple):
    """The lines of a screen; scroll is the first line shown of the task at hand, page their number.

    page is 0 where the terminal is too small.
    """

    lines: list[Text]
    scroll: int
    page: int


def lay_out(view: ScreenContent, width: int, height: int) -> Layout:
    """At most height lines, none of which is wider than width."""
    done = sum(task.done for task in view.tasks)
    head = _wrap(Text(f"{view.title} · {done} of {len(view.tasks)} tasks done", "bold"), width)
    foot = [Text()] if height >= ROOMY else []
    foot += _wrap(Text(view.message, "bold"), width) if view.message else []
    foot += _wrap(Text(KEYS, "dim"), width)
    # A rule below the list, and one below the task at hand.
    room = height - len(head) - len(foot) - 2
    rows = min(len(view.tasks), max(1, min(height // 3, room - ROWS)))
    page = room - rows
    if width < WIDTH or page < ROWS:
        return Layout(_wrap(Text(TOO_SMALL), max(width, 1))[:height], 0, 0)
    detail, newest = _task_at_hand(view, width)
    most = max(0, len(detail) - page)
    scroll = min(newest if view.scroll is None else max(0, view.scroll), most)
    shown = detail[scroll : scroll + page]
    shown += [Text()] * (page - len(shown))
    first = max(0, min(view.at - rows // 2, len(view.tasks) - rows))
    listed = [_row(view, at, width) for at in range(first, first + rows)]
    bar = _bar(done, len(view.tasks), width)
    return Layout([*head, bar, *listed, *_more(scroll, most, width), *shown, *foot], scroll, page)


def _task_at_hand(view: ScreenContent, width: int) -> tuple[list[Text], int]:
    """All lines about it, and the number of the first one of the newest hint."""
    task = view.task
    title = Text.assemble(f"{view.at + 1} of {len(view.tasks)}. ", _prose(task.title))
    title.stylize("bold")
    now = task.said or ("Done." if task.done else LOOKING)
    parts = [
        [title, *(_prose(each) for each in task.goal.split("\n\n"))],
        [Text.assemble(("Now: ", "bold"), _prose(LOOKING if view.busy else now))],
        *([_prose(words), *_code(code)] for words, _, code in map(_halves, task.hints)),
    ]
    lines: list[Text] = []
    newest = 0
    for part in parts:
        lines += [Text()] if lines else []
        newest = len(lines)
        for text in part:
            lines += _wrap(text, width)
    return lines, newest if task.hints else 0


def _halves(hint: str) -> tuple[str, str, str]:
    """The words of a hint and, behind a blank line, its commands."""
    return hint.partition("\n\n")


def _code(code: str) -> list[Text]:
    return [Text(), Text(code, "cyan")] if code else []


def _prose(words: str) -> Text:
    """The words on one line, with what is in backquotes or between two stars made to stand out."""
    text = Text()
    for part in re.split(r"(`[^`]*`|\*\*.+?\*\*)", " ".join(words.split())):
        if part.startswith("`"):
            text.append(part.strip("`"), "cyan")
        else:
            text.append(part.strip("*"), "bold") if part.startswith("**") else text.append(part)
    return text


def _row(view: ScreenContent, at: int, width: int) -> Text:
    task = view.tasks[at]
    text = Text.assemble(
        "› " if at == view.at else "  ",
        ("✔ ", "green") if task.done else "○ ",
        _prose(task.title),
        style="bold" if at == view.at else "",
    )
    first, *others = _wrap(text, width)
    if others:
        # Shortened behind a word; all of it is below when the task is at hand.
        (first, *_) = _wrap(text, width - 2)
        first.append(" …")
    return first


def _bar(done: int, tasks: int, width: int) -> Text:
    """The share of tasks done; also parts the list from what is above it."""
    full = width * done // tasks
    return Text.assemble(("━" * full, "green"), ("─" * (width - full), "dim"))


def _more(scroll: int, most: int, width: int) -> list[Text]:
    """The rule above the task at hand; it says which keys show its other lines."""
    below = f" {most - scroll} more: space " if scroll < most else ""
    above = " back: b " if scroll else ""
    return [Text(f"{above:─<{width - len(below)}}{below}"[:width], "dim")]


def _wrap(text: Text, width: int) -> list[Text]:
    # Wrapping does not depend on the console, except for its default of how to wrap.
    lines = list(text.wrap(Console(width=width), width, overflow="fold"))
    for line in lines:
        line.rstrip()
    return lines or [Text()]
