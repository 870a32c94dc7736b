"""Storing notebooks: each is run on the course's engine and written in one canonical form.

The ``.ipynb`` with its outputs is the only source of a lesson. The form is stable, so that a
difference in version control is a difference in what the daemon said.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from dockyard import course
from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.exceptions import EngineNotRunning, UsageError

FOLDERS = ("notebooks", "solutions")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KEPT_CELL_METADATA = ("tags", "reason")
"""Cell metadata that means something to the course; an editor's own goes."""

KEPT_OUTPUT_TYPES = ("text/plain", "text/html", "text/markdown", "image/svg+xml", "image/png")
CELL_TIMEOUT = 300
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def store(names: list[str], say: Say) -> int:
    """Run the named notebooks (default: all that are stored with outputs) and write them.

    Returns 0. A cell that fails although it is not tagged for it is reported; the notebook is
    written all the same, so that the author sees the output, and the result is 1.
    """
    if not course.answers():
        raise EngineNotRunning()
    chosen = [_find(name) for name in names] or list(stored())
    failed = 0
    for path in chosen:
        say(f"running {path.relative_to(paths.CHECKOUT)}")
        notebook = nbformat.read(path, as_version=4)
        execute(notebook, path.parent)
        write(notebook, path)
        for cell in unexpected_failures(notebook):
            failed = 1
            say(f"  cell {cell.id!r} failed and is not tagged fails-on-purpose")
    return failed


def store_labs(names: list[str], say: Say) -> int:
    """Make the pages of labs from their catalogue: exercises written, solutions run and stored.

    Returns 0, or 1 when a solution does not lead there.
    """
    from dockyard.labs import lab_catalog, pages

    for page in pages.write_exercises():
        say(f"wrote {page.relative_to(paths.CHECKOUT)}")
    if not course.answers():
        raise EngineNotRunning()
    failed = 0
    for name in names or lab_catalog.names():
        lab = lab_catalog.load(name)
        page = pages.path(lab, solved=True)
        say(f"running {page.relative_to(paths.CHECKOUT)}")
        notebook = pages.build(lab, solved=True)
        page.parent.mkdir(exist_ok=True)
        execute(notebook, page.parent)
        write(notebook, page)
        for cell in notebook.cells:
            texts = [str(output) for output in cell.get("outputs", [])]
            if cell.id.endswith("-check") and not any(": done." in text for text in texts):
                failed = 1
                say(f"  {cell.source} is not done")
    return failed


def stored() -> list[Path]:
    """The notebooks whose outputs are stored, in the order of the course."""
    return sorted(path for name in FOLDERS for path in (paths.CHECKOUT / name).glob("*.ipynb"))


def _find(name: str) -> Path:
    found = [path for path in stored() if paths.means(name, path.stem)]
    if (exact := Path(name).resolve()) in found:
        return exact
    if not found:
        known = ", ".join(path.stem for path in stored())
        raise UsageError(f"There is no notebook called {name!r}.", next=f"Choose one of: {known}.")
    return found[0]


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells in folder, going on after failures, as a learner would."""
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,
        store_widget_state=False,
    )
    client.execute(env=course.whole_environment())


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in canonical form."""
    path.write_text(canonical(notebook))


def canonical(notebook: NotebookNode) -> str:
    """The text of a notebook in canonical form.

    Fixed metadata, counts from 1 in order, streams merged, no escape sequences, no traceback
    beyond its last line, keys sorted, one newline at the end.
    """
    count = 0
    cells = []
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in KEPT_CELL_METADATA if key in cell.metadata}
        if "tags" in kept:
            kept["tags"] = sorted(kept["tags"])
        plain = {"cell_type": cell.cell_type, "id": cell.id, "metadata": kept}
        plain["source"] = cell.source.strip("\n")
        if cell.cell_type == "code":
            ran = cell.execution_count is not None
            count += ran
            plain["execution_count"] = count if ran else None
            plain["outputs"] = [_output(output, count) for output in _merged(cell.outputs)]
        cells.append(plain)
    whole = {
        "cells": cells,
        "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return nbformat.writes(nbformat.from_dict(whole), indent=1).rstrip("\n") + "\n"


def _merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last["text"] += output.text
        else:
            merged.append(NotebookNode(output))
    return merged


def _output(output: NotebookNode, count: int) -> dict:
    kind = output.output_type
    if kind == "stream":
        return {"output_type": kind, "name": output.name, "text": ESCAPE.sub("", output.text)}
    if kind == "error":
        shown = f"{output.ename}: {output.evalue}" if output.evalue else output.ename
        return {
            "output_type": kind,
            "ename": output.ename,
            "evalue": output.evalue,
            "traceback": shown.splitlines(),
        }
    data = {mime: data for mime, data in output.data.items() if mime in KEPT_OUTPUT_TYPES}
    plain = {"output_type": kind, "data": data, "metadata": {}}
    if kind == "execute_result":
        plain["execution_count"] = count
    return plain


def unexpected_failures(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that failed, by exception or exit code, without a tag that allows it."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code"
        and not {"fails-on-purpose", "raises-exception"} & set(cell.metadata.get("tags", []))
        and any(
            output.output_type == "error" or "[exit code " in output.get("text", "")
            for output in cell.outputs
        )
    ]
