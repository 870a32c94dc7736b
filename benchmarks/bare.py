"""Runs the commands of one notebook in one IPython process: no Jupyter, no nbval, no comparing.

``python -m benchmarks.bare NOTEBOOK``, in an environment that is pointed at the course. What the
course adds to a notebook is left out: its frame, its runner of ``!`` lines and its recording.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from IPython.core.interactiveshell import InteractiveShell

FRAME = ("%load_ext dockyard", "%lesson", "%tidy", "%quiz", "%%predict", "%progress", "%lab")


def main(notebook: Path) -> None:
    """Run every code cell; one that fails is followed by the next, as a lesson means it."""
    cells = [
        cell.source
        for cell in nbformat.read(notebook, as_version=4).cells
        if cell.cell_type == "code" and "nbval-skip" not in cell.metadata.get("tags", [])
    ]
    os.chdir(notebook.parent)
    ipython = InteractiveShell.instance()
    ipython.system = lambda command: subprocess.run(
        ["bash", "-c", command], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False
    )
    ipython.register_magic_function(
        lambda line, cell: ipython.run_cell(cell), magic_kind="cell", magic_name="trace"
    )
    # What is measured is the work, not a terminal.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    for source in cells:
        ipython.run_cell(_without_frame(source))


def _without_frame(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if not line.startswith(FRAME))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
