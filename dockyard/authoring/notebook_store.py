"""``store``: runs notebooks on the course's engine and writes them with their outputs.

The ``.ipynb`` with its outputs is the only source of a lesson. An output that is equal to the
committed one after the rules of tests/sanitize.cfg stays as it was.
"""

from __future__ import annotations

import subprocess
from copy import deepcopy
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from dockyard import course
from dockyard.authoring import fresh_state, output_comparison
from dockyard.authoring.notebook_form import canonical, write
from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.exceptions import EngineNotRunning, UsageError

FOLDERS = ("notebooks", "solutions")
CELL_TIMEOUT = 300
MAY_FAIL = frozenset({"fails-on-purpose", "raises-exception"})
"""The tags of cells that fail to teach something."""

LINES_SHOWN = 5
"""The most differing lines that are printed for one cell."""


def store(names: list[str], say: Say, *, twice: bool = False, renew: bool = False) -> int:
    """Run the named notebooks (default: all that are stored with outputs) and write them.

    Prints what changed in each cell. With twice, runs each notebook a second time and prints
    what differs between the two runs. With renew, stores equal outputs anew too.

    Returns 1 when a cell failed without a tag that allows it or differed between the two runs,
    else 0; the notebook is written either way, so the author sees the output. Raises UsageError
    or EngineNotRunning.
    """
    if not course.answers():
        raise EngineNotRunning()
    worst = 0
    for path in [_find(name) for name in names] or stored():
        notebook = nbformat.read(path, as_version=4)
        notebook, problems = record(notebook, path, say, twice=twice, renew=renew)
        for cell in unexpected_failures(notebook):
            problems += 1
            say(f"  cell {cell.id!r} failed and is not tagged fails-on-purpose")
        worst = max(worst, bool(problems))
    return worst


def store_labs(names: list[str], say: Say, *, twice: bool = False, renew: bool = False) -> int:
    """Make the pages of labs from their catalogue: write the exercises, run and store solutions.

    Returns 1 when a solution does not pass its own checks or differed between two runs, else 0.
    twice and renew: see store. Raises EngineNotRunning.
    """
    from dockyard.authoring import lab_notebooks
    from dockyard.labs import lab_catalog

    for page in lab_notebooks.write_exercises():
        say(f"wrote {page.relative_to(paths.CHECKOUT)}")
    if not course.answers():
        raise EngineNotRunning()
    worst = 0
    for name in names or lab_catalog.names():
        lab = lab_catalog.load(name)
        page = lab_notebooks.path(lab, solved=True)
        page.parent.mkdir(exist_ok=True)
        notebook = lab_notebooks.build(lab, solved=True)
        notebook, problems = record(notebook, page, say, twice=twice, renew=renew)
        for cell in notebook.cells:
            texts = [str(output) for output in cell.get("outputs", [])]
            if cell.id.endswith("-check") and not any(": done." in text for text in texts):
                problems += 1
                say(f"  {cell.source} is not done")
        worst = max(worst, bool(problems))
    return worst


def record(
    notebook: NotebookNode, path: Path, say: Say, *, twice: bool = False, renew: bool = False
) -> tuple[NotebookNode, int]:
    """Run a notebook in the folder of path and write it there.

    Returns the notebook as it ran, and how many cells differed between two runs (0 unless twice).
    """
    say(f"running {path.name}")
    ran = _run(notebook, path)
    rules = output_comparison.load_rules()
    varying = 0
    if twice:
        say(f"running {path.name} again")
        varying = _report_varying(ran, _run(notebook, path), rules, say)
    result = deepcopy(ran)
    if not renew and (committed := _committed(path)):
        before = {cell.id: cell.get("outputs", []) for cell in committed.cells}
        for cell in output_comparison.keep_equal_outputs(committed, result, rules):
            say(f"  {cell}: stored anew")
            new = next(each.outputs for each in result.cells if each.id == cell)
            _print_lines(output_comparison.differing_lines(before.get(cell, []), new, rules), say)
    write(result, path)
    return ran, varying


def _run(notebook: NotebookNode, path: Path) -> NotebookNode:
    ran = deepcopy(notebook)
    fresh_state.make(path)
    execute(ran, path.parent)
    _hide_home(ran)
    return nbformat.reads(canonical(ran), as_version=4)


def _hide_home(notebook: NotebookNode) -> None:
    """Let ``docker inspect`` name the folder of an ordinary daemon, not one of this computer."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                own = str(paths.home() / "engine" / "docker")
                output.text = output.text.replace(own, "/var/lib/docker")


def _committed(path: Path) -> NotebookNode | None:
    # Not the file itself: JupyterLab saves the outputs of every cell that its author tried.
    shown = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"],
        cwd=path.parent, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if shown.returncode == 0:
        return nbformat.reads(shown.stdout, as_version=4)
    return nbformat.read(path, as_version=4) if path.exists() else None


def _report_varying(
    first: NotebookNode, second: NotebookNode, rules: output_comparison.Rules, say: Say
) -> int:
    varying = 0
    for one, other in zip(first.cells, second.cells, strict=True):
        if one.cell_type != "code" or not output_comparison.is_compared(one):
            continue
        if pairs := output_comparison.differing_lines(one.outputs, other.outputs, rules):
            varying += 1
            say(f"  {one.id}: differs between two runs, and no rule in sanitize.cfg covers it")
            _print_lines(pairs, say)
    return varying


def _print_lines(pairs: list[tuple[str, str]], say: Say) -> None:
    for old, new in pairs[:LINES_SHOWN]:
        say(f"    - {old}")
        say(f"    + {new}")
    if len(pairs) > LINES_SHOWN:
        say(f"    … and {len(pairs) - LINES_SHOWN} more lines")


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
    """Run all cells in folder, continuing after failures, as a learner would."""
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,
        store_widget_state=False,
        # ipykernel warns at each start that its TCP connections are not encrypted.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    client.execute(env=course.whole_environment())


def unexpected_failures(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that failed, by exception or exit code, without a tag that allows it."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code"
        and not MAY_FAIL & set(cell.metadata.get("tags", []))
        and any(
            output.output_type == "error" or "[exit code " in output.get("text", "")
            for output in cell.outputs
        )
    ]
