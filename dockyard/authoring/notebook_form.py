"""The canonical form in which notebooks are stored.

The same content is always the same text, so a difference in version control is a difference in
the lesson or in what the daemon printed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KEPT_CELL_METADATA = ("tags", "reason")
"""The cell metadata that the course uses; what an editor adds is dropped."""

KEPT_OUTPUT_TYPES = ("text/plain", "text/html", "text/markdown", "image/svg+xml", "image/png")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook in canonical form."""
    path.write_text(canonical(notebook), encoding="utf-8")


def canonical(notebook: NotebookNode) -> str:
    """Return the text of a notebook in canonical form.

    Fixed metadata, execution counts from 1 in order, adjacent streams merged, no escape
    sequences, tracebacks cut to their last line, sorted keys, one newline at the end.
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


def _output(output: NotebookNode, count: int) -> dict[str, Any]:
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
