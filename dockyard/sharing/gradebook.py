"""What is done, as CSV for a gradebook.

``plain``     student, page, done, of: a row for each student and page
``nbgrader``  the columns of nbgrader's own export; an assignment is a lab
``moodle``    username and a column for each lab, in percent; map the columns at Moodle's import
``canvas``    the columns of Canvas's gradebook, with the row of possible points
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from dockyard.sharing import evidence_file
from dockyard.sharing.room import Learner, Room

Rows = list[list[object]]


def render(room: Room, form: str = "plain") -> str:
    """The CSV in one of FORMS, with the lines' ends of RFC 4180."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([_safe(each) for each in row] for row in FORMS[form](room))
    return text.getvalue()


def _safe(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    risky = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{cell}" if risky else cell


def _labs() -> list[str]:
    return [name for name in evidence_file.pages() if name.startswith("labs/")]


def _short(page: str) -> str:
    return page.removeprefix("labs/")


def _of(page: str) -> int:
    return len(evidence_file.pages()[page].tasks)


def _percent(learner: Learner, page: str) -> int:
    return round(100 * len(learner.done(page)) / _of(page))


def _plain(room: Room) -> Rows:
    return [
        ["student", "page", "done", "of", "minutes"],
        *(
            [each.name, page, len(each.done(page)), _of(page), each.seconds_at(page) // 60]
            for each in room.learners
            for page in evidence_file.pages()
        ),
    ]


def _nbgrader(room: Room) -> Rows:
    heads = [
        "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
        "raw_score", "late_submission_penalty", "score", "max_score",
    ]  # fmt: skip
    rows: Rows = [
        [
            _short(page), "", each.evidence.made, each.name, "", "", "",
            len(each.done(page)), 0, len(each.done(page)), _of(page),
        ]
        for page in _labs()
        for each in room.learners
    ]  # fmt: skip
    return [[*heads], *rows]


def _moodle(room: Room) -> Rows:
    labs = _labs()
    return [
        ["username", *(f"Docker lab {_short(page)}" for page in labs)],
        *([each.name, *(_percent(each, page) for page in labs)] for each in room.learners),
    ]


def _canvas(room: Room) -> Rows:
    labs = _labs()
    heads: Sequence[object] = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    empty = [""] * (len(heads) - 1)
    return [
        [*heads, *(f"Docker lab {_short(page)}" for page in labs)],
        ["    Points Possible", *empty, *(_of(page) for page in labs)],
        *(
            [each.name, "", "", each.name, "", *(len(each.done(page)) for page in labs)]
            for each in room.learners
        ),
    ]


FORMS: dict[str, Callable[[Room], Rows]] = {
    "plain": _plain,
    "nbgrader": _nbgrader,
    "moodle": _moodle,
    "canvas": _canvas,
}
"""The forms by name."""
