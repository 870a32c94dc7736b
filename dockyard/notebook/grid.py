"""A table of trials and their results."""

from __future__ import annotations

import html
from collections.abc import Mapping

from dockyard.notebook.palette import COLOURS

MARK = f"font-weight:bold;background:color-mix(in srgb,{COLOURS[1]} 25%,transparent)"
"""The text keeps the page's own colour, which is readable on either theme."""


class Grid:
    """A table with a row per trial and a column per question.

    Its text is aligned in columns. Its HTML highlights the cells that equal marked.
    """

    def __init__(self, rows: Mapping[str, Mapping[str, str]], marked: str = "yes") -> None:
        self.rows = rows
        self.marked = marked
        # In the order in which they first appear.
        self.columns = list(dict.fromkeys(name for row in rows.values() for name in row))

    def _cells(self) -> list[list[str]]:
        return [
            ["", *self.columns],
            *(
                [name, *(row.get(key, "") for key in self.columns)]
                for name, row in self.rows.items()
            ),
        ]

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def cell(text: str) -> str:
            style = f' style="{MARK}"' if text == self.marked else ""
            return f"<td{style}>{html.escape(text)}</td>"

        def head(text: str, scope: str) -> str:
            return f'<th scope="{scope}" style="text-align:left">{html.escape(text)}</th>'

        first, *others = self._cells()
        lines = [
            "".join(head(text, "col") for text in first),
            *(head(line[0], "row") + "".join(map(cell, line[1:])) for line in others),
        ]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
