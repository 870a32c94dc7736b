"""Builds the notebooks of a lab, exercise and solution, from its catalog entry.

They differ only in the learner's cells and in the text around the tasks.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from dockyard.authoring import notebook_form
from dockyard.core import paths
from dockyard.labs import lab_catalog
from dockyard.labs.lab_catalog import Exercise, Lab

ANSWER = "answer"
"""The tag of the cells for the learner's commands."""

BLANK = "%%bash\n# Your commands go here, or into a terminal.\n"


def path(lab: Lab, *, solved: bool) -> Path:
    """The file of a lab's notebook."""
    return paths.CHECKOUT / ("solutions" if solved else "labs") / f"{lab.name}.ipynb"


def build(lab: Lab, *, solved: bool) -> NotebookNode:
    """The exercise, or the solution without outputs."""
    frame = f"%load_ext dockyard\n%lab {lab.name}" + (" --solution" if solved else "")
    cells = [_text("title", _title(lab)), _code("begin", frame)]
    if lab.reps:
        cells.append(
            _text("reps", "## Warm up\n\nA minute each. Do it, check it, go on to the next.")
        )
    for rep in lab.reps:
        cells += _cells(rep, rep.goal.strip(), solved)
    for number, task in enumerate(lab.tasks, 1):
        cells += _cells(task, f"## {number}. {task.title}\n\n{task.goal.strip()}", solved)
    cells += [
        _text("all", _closing(lab, solved)),
        _code("check-all", "check()"),
        _text("tidy-text", _ending(lab, solved)),
        _code("tidy", "%tidy"),
    ]
    return nbformat.v4.new_notebook(cells=cells)


def write_exercises() -> list[Path]:
    """Write labs/*.ipynb; return the files whose text changed."""
    changed = []
    for name in lab_catalog.names():
        lab = lab_catalog.load(name)
        file = path(lab, solved=False)
        text = exercise(lab)
        if not file.exists() or file.read_text() != text:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            changed.append(file)
    return changed


def exercise(lab: Lab) -> str:
    """The text of the exercise's file."""
    return notebook_form.canonical(build(lab, solved=False))


def _title(lab: Lab) -> str:
    number, _, _ = lab.name.partition("-")
    fewer = " (two for a warm-up)" if lab.reps else ""
    return (
        f"# Lab {number}: {lab.title}\n\n{lab.opening.strip()}\n\n"
        f'**Minutes:** {lab.minutes} · Stuck? `hint("TASK")` gives four hints, one after the '
        f"other{fewer}; the last one is a solution. Any way that leads there is right: commands "
        "in a cell or in a terminal, Compose, the SDK."
    )


def _closing(lab: Lab, solved: bool) -> str:
    other = "labs" if solved else "solutions"
    which = "exercise" if solved else "solution"
    text = f"## All together\n\n{lab.closing.strip()}".rstrip()
    return f"{text}\n\nThe {which} is in `{other}/{lab.name}.ipynb`."


def _ending(lab: Lab, solved: bool) -> str:
    text = "When you are done: remove what this lab made, and nothing else."
    # A solution always begins anew, and always with the same values.
    if solved:
        return text
    return (
        f"{text} The next `%lab` then begins a new attempt, with other values; what you have done "
        f"stays done. To begin again at any time: `%lab {lab.name} --new`."
    )


def _cells(task: Exercise, text: str, solved: bool) -> list[NotebookNode]:
    cells = [_text(task.name, text)]
    if task.scene:
        scene = f"%%bash\n{task.scene.strip()}"
        tags = ["fails-on-purpose"] if task.breaks else []
        cells.append(_code(f"{task.name}-scene", scene, "scene", *tags))
    if task.fault:
        cells.append(_code(f"{task.name}-scene", f'case("{task.name}")', "scene"))
    failing = ["fails-on-purpose"] if solved and task.fails else []
    cells += [
        _code(f"{task.name}-answer", _answer(task, solved), ANSWER, *failing),
        _code(f"{task.name}-check", f'check("{task.name}")'),
    ]
    return cells


def _answer(task: Exercise, solved: bool) -> str:
    if not solved:
        return task.start.strip("\n") or BLANK
    way = task.right[0]
    return way.code if way.python else f"%%bash\n{way.code}"


def _text(id: str, source: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source, id=id)


def _code(id: str, source: str, *tags: str) -> NotebookNode:
    return nbformat.v4.new_code_cell(source, id=id, metadata={"tags": list(tags)} if tags else {})
