"""What a notebook looks like in the learner's copy: nothing has run, and nothing is answered."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import PurePosixPath
from typing import Any

YOUR_TURN = "your-turn"
"""The tag of cells that hold a solution in the source and are empty in the copy."""

PAGE_NAME = re.compile(r"(?<!\[)`((?:notebooks|labs|solutions)/[\w.-]+\.ipynb)`")
"""A notebook that a text names by its path in the course."""


def make(source: str, page: PurePosixPath, pages: set[PurePosixPath]) -> str:
    """The text of the copy of a notebook.

    page is its path in the course, such as ``labs/08-registries.ipynb``; pages are those that can
    be linked to. Raises ValueError when source is not a notebook.
    """
    notebook = json.loads(source)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            if YOUR_TURN in cell["metadata"].get("tags", ()):
                cell["source"] = ""
        elif cell["cell_type"] == "markdown":
            cell["source"] = _with_links(_text(cell["source"]), page, pages)
    partner, title = _partner(page), _title(notebook)
    if partner in pages and title and _way(partner, page) not in title["source"]:
        title["source"] = f"{title['source'].rstrip()}\n\n{_link(partner, page)}"
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def fingerprint(content: bytes, page: PurePosixPath) -> str:
    """A hash of what a person can change in a file.

    Of a notebook, these are its cells and outputs: JupyterLab also writes metadata, such as the
    kernel's version, when nothing but opening it was done.
    """
    if page.suffix == ".ipynb":
        try:
            cells = [
                [
                    cell["cell_type"],
                    _text(cell["source"]),
                    cell.get("outputs"),
                    cell.get("execution_count"),
                ]
                for cell in json.loads(content)["cells"]
            ]
            content = json.dumps(cells, sort_keys=True).encode()
        except (ValueError, LookupError, TypeError):
            pass  # The learner has made something else of it.
    return hashlib.sha256(content).hexdigest()


def _text(source: str | list[str]) -> str:
    """The source of a cell; the format allows a list of lines, too."""
    return source if isinstance(source, str) else "".join(source)


def _with_links(text: str, page: PurePosixPath, pages: set[PurePosixPath]) -> str:
    def linked(found: re.Match[str]) -> str:
        named = PurePosixPath(found[1])
        return f"[{found[0]}]({_way(named, page)})" if named in pages else found[0]

    return PAGE_NAME.sub(linked, text)


def _partner(page: PurePosixPath) -> PurePosixPath:
    """The lab of a lesson, and the lesson of a lab or solution; they have the same name."""
    return PurePosixPath("labs" if page.parent.name == "notebooks" else "notebooks", page.name)


def _title(notebook: dict[str, Any]) -> dict[str, Any] | None:
    first = notebook["cells"][0] if notebook["cells"] else None
    return first if first and first["cell_type"] == "markdown" else None


def _link(partner: PurePosixPath, page: PurePosixPath) -> str:
    what = "Lab of this lesson" if partner.parent.name == "labs" else "Lesson to this lab"
    return f"**{what}:** [{partner.stem.replace('-', ' ')}]({_way(partner, page)})"


def _way(target: PurePosixPath, page: PurePosixPath) -> str:
    """The relative link from one page to another."""
    return target.name if target.parent == page.parent else f"../{target}"
