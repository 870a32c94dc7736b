"""The progress as a table with a row per lesson."""

from __future__ import annotations

from typing import Any

from dockyard.quiz import bank, progress_report

HEADINGS = ("lesson", "tasks", "predictions", "questions", "lab")


class Overview:
    """The progress at the time when the object is made."""

    def __init__(self) -> None:
        self.report = progress_report.report()

    def _rows(self) -> list[tuple[str, ...]]:
        answers, guesses = (
            {each["lesson"]: each for each in self.report[key]} for key in ("answers", "guesses")
        )
        lessons = {each["lesson"]: each for each in self.report["lessons"]}
        labs = {each["lab"]: each for each in self.report["labs"]}
        rows: list[tuple[str, ...]] = []
        for name in dict.fromkeys([*bank.names(), *labs]):
            asked = bank.load(name) if name in bank.names() else None
            rows.append(
                (
                    name,
                    _done(lessons.get(name)),
                    _right(guesses.get(name), len(asked.predictions) if asked else 0),
                    _right(answers.get(name), len(asked.questions) if asked else 0),
                    _done(labs.get(name)),
                )
            )
        return rows

    def _drills(self) -> str:
        """A line on the drills, for who has done some."""
        drills = self.report["drills"]
        return (
            f"{drills['done']} of {drills['of']} drills done, {drills['due']} due again:  %drill"
            if drills["done"]
            else ""
        )

    def __repr__(self) -> str:
        """The table in plain text."""
        rows = [HEADINGS, *self._rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *filter(None, [self._drills()])])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{each}</th>' for each in HEADINGS)
        body = "\n".join(
            f'<tr><th scope="row">{first}</th>'
            + "".join(f"<td>{each}</td>" for each in rest)
            + "</tr>"
            for first, *rest in self._rows()
        )
        return (
            "<table>\n<caption>What you have done so far: answers and predictions that were "
            "right, tasks that are done</caption>\n"
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
            + (f"\n<p>{drills}</p>" if (drills := self._drills()) else "")
        )


def _done(tasks: dict[str, Any] | None) -> str:
    return f"{len(tasks['done'])} of {tasks['of']}" if tasks else ""


def _right(given: dict | None, of: int) -> str:
    return f"{given['right'] if given else 0} of {of}" if of else ""
