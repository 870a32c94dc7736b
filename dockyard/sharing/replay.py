"""Does a learner's work again, in the sandbox (sandbox.py), and judges it.

``python3 -m dockyard.sharing.replay``: reads a work file from standard input, starts an engine that
is thrown away afterwards, and writes a line of JSON for each task that the file says is done.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError

from dockyard import course
from dockyard.labs import attempt as attempts
from dockyard.labs import judge, lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.verdict import Verdict
from dockyard.labs.work_record import Step
from dockyard.sharing import work_file
from dockyard.sharing.proof import Result
from dockyard.sharing.work_file import Work, WorkFile

PATIENCE, LONGEST = 180, 1800
"""Seconds for a step, or three times as long as the learner's took, and at most."""

INTERRUPTED_AFTER = 5
"""Seconds after which a step ends that the learner interrupted."""

LATE = 30
"""Seconds that what the last step has started may take to work."""


def results(work: WorkFile) -> Iterator[Result]:
    """Do again what is in a file, lab by lab. Raises what attempts.begin() does."""
    for name, each in work.labs.items():
        yield from _lab(name, each)


def _lab(name: str, work: Work) -> Iterator[Result]:
    lab = lab_catalog.load(name)
    attempt = attempts.begin(lab, values=work.values)
    for path, text in work.files.items():
        file = attempt.work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    client = NotebookClient(
        nbformat.v4.new_notebook(),
        kernel_name="python3",
        allow_errors=True,
        interrupt_on_timeout=True,
        resources={"metadata": {"path": str(attempt.work)}},
        # ipykernel warns at each start that its TCP connections are not encrypted.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    due: list[str] = []
    found: dict[str, Verdict] = {}

    def all_done() -> bool:
        """Look again at the tasks that are due and not done yet."""
        if missing := [task for task in due if task not in found or not found[task].done]:
            found.update((each.task, each) for each in judge.judge(attempt, missing))
        return all(found[task].done for task in due)

    with client.setup_kernel(env=course.whole_environment()):
        _run(client, f"%load_ext dockyard\n%lab {name}", PATIENCE)
        for step in work.steps:
            if step.kind == "done":
                due.append(step.text)
            elif step.kind == "case":
                attempts.begin_case(attempt, lab.exercise(step.text))
            else:
                _run(client, _code(step, work, attempt), _patience(step))
            all_done()
    deadline = time.monotonic() + LATE
    while not all_done() and time.monotonic() < deadline:
        time.sleep(1)
    for task in due:
        yield Result(name, task, found[task].done, found[task].saw)
    attempts.finish(attempt)


def _code(step: Step, work: Work, attempt: Attempt) -> str:
    """The step as a cell, in the folder that stands for the learner's."""
    text = step.text.replace(work.folder, str(attempt.work))
    if step.kind == "cell":
        return text
    folder = step.folder.replace(work.folder, str(attempt.work))
    return f"%%bash\ncd {shlex.quote(folder)} || exit\n{text}\n"


def _patience(step: Step) -> int:
    if step.interrupted:
        return INTERRUPTED_AFTER
    return round(min(max(PATIENCE, 3 * step.seconds), LONGEST))


def _run(client: NotebookClient, code: str, timeout: int) -> None:
    cell = nbformat.v4.new_code_cell(code)
    client.nb.cells.append(cell)
    client.timeout = timeout
    # What a step that had to be ended has left behind is judged as it is.
    with suppress(CellTimeoutError):
        client.execute_cell(cell, len(client.nb.cells) - 1)


def write_results(work: WorkFile) -> None:
    """Do again what is in a file; write a line of JSON for each result."""
    for each in results(work):
        print(msgspec.json.encode(each).decode(), flush=True)


def main() -> int:
    """Read a work file, do it again, write the results. Returns 0, or 1 without an engine."""
    work = work_file.decode(sys.stdin.buffer.read())
    words = [sys.executable, "-m", "dockyard", "engine", "start", "--engine", "machine"]
    if subprocess.run(words, stdout=sys.stderr, check=False).returncode:
        return 1
    write_results(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
