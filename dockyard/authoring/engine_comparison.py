"""``test --engine all``: runs the notebooks on several engines and lists the cells that differ.

Each notebook runs under nbval, through the front door, on one engine after the other. The reasons
for differences are written by hand in tests/engines.toml; a cell that differs without one fails.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from docker.errors import DockerException
from requests import RequestException

from dockyard import cleanup, course
from dockyard.authoring import nbval_options
from dockyard.commands.setup import set_up
from dockyard.core import docker_client, paths
from dockyard.core.console import Say
from dockyard.engine import providers
from dockyard.exceptions import UsageError

CELL_TIMEOUT = nbval_options.CELL_TIMEOUT
NOTEBOOK_TIMEOUT = 900
"""Seconds that one notebook may take."""

REASONS = paths.CHECKOUT / "tests" / "engines.toml"
PAGE = paths.CHECKOUT / "docs" / "engine-differences.md"
BEGIN, END = "<!-- table of engines: begin -->\n", "<!-- table of engines: end -->\n"
SAME, DIFFERS, LEFT_OUT = "same", "differs", "left out"

INTERRUPTIBLE = """\
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main(sys.argv[1:]))
"""
"""Runs pytest so that SIGINT stops it, even if the shell lets its jobs ignore the signal."""


@dataclass(frozen=True)
class Reason:
    """Why cells of one notebook differ on one engine."""

    engine: str
    notebook: str
    cells: tuple[str, ...]
    why: str

    def covers(self, engine: str, notebook: str, cell: str) -> bool:
        """Whether this reason applies to a cell; ``*`` stands for every cell."""
        return (self.engine, self.notebook) == (engine, notebook) and bool(
            {cell, "*"} & set(self.cells)
        )


@dataclass(frozen=True)
class Run:
    """The outcomes on one engine, by notebook and cell."""

    engine: str
    version: str
    notebooks: dict[str, dict[str, str]]

    def differing(self) -> list[tuple[str, str]]:
        """The cells that differ, as pairs of notebook and cell."""
        return [
            (notebook, cell)
            for notebook, cells in sorted(self.notebooks.items())
            for cell, outcome in cells.items()
            if outcome == DIFFERS
        ]

    def count(self, outcome: str) -> int:
        """How many cells had this outcome."""
        return sum(list(cells.values()).count(outcome) for cells in self.notebooks.values())


def engines() -> list[str]:
    """The engines that are compared: embedded, and those that only tests know."""
    return [
        provider.name
        for provider in providers.every()
        if provider.name == "embedded" or provider not in providers.FOR_LEARNERS
    ]


def smoke_tests(file: Path = REASONS) -> dict[str, list[str]]:
    """The engines on which not all notebooks are run, each with those that are."""
    return tomllib.loads(file.read_text(encoding="utf-8")).get("smoke", {})


def reasons(file: Path = REASONS) -> list[Reason]:
    """Read the reasons."""
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    return [
        Reason(entry["engine"], entry["notebook"], tuple(entry["cells"]), entry["why"])
        for entry in document.get("differs", [])
    ]


def why(known: Iterable[Reason], engine: str, notebook: str, cell: str) -> str | None:
    """Why a cell differs on an engine, by the first reason that covers it."""
    return next((each.why for each in known if each.covers(engine, notebook, cell)), None)


def run(words: list[str], say: Say) -> int:
    """Run notebooks on every engine and write the table; return 1 if a difference has no reason.

    words are names of notebooks and engines (default: all that can run here). Results of earlier
    runs in this home are kept for the others. Raises UsageError, EngineError or SetupError.
    """
    known = engines()
    chosen = [word for word in words if word in known]
    names = [word for word in words if word not in known]
    asked, smoke = _notebooks(names, known), smoke_tests()
    ran_before = course.State.load()
    try:
        for engine in chosen or known:
            if not chosen and not _can_run(engine, say):
                continue
            record = load(engine).notebooks
            for path in asked:
                if not names and path.stem not in smoke.get(engine, [path.stem]):
                    continue
                # Each time: a notebook may remove images that this engine cannot pull again.
                set_up(engine, say, source="debian")
                say(f"{engine}: {path.stem}")
                log = _folder() / engine / f"{path.stem}.txt"
                record[path.stem] = prove_notebook(path, log, NOTEBOOK_TIMEOUT)
                _save(Run(engine, _version(), record))
                _clean()
                differing = list(record[path.stem].values()).count(DIFFERS)
                if differing:
                    say(f"  {differing} cells differ; see {log}")
    finally:
        course.stop(say)
        if ran_before:
            say(f"the {ran_before.engine} engine that ran before is stopped now")
    return report([load(engine) for engine in known], reasons(), PAGE, say)


def _can_run(engine: str, say: Say) -> bool:
    unmet = providers.named(engine).unmet()
    if unmet:
        say(f"{engine} is left out: {unmet[0].name} is needed, found: {unmet[0].found}")
    return not unmet


def _clean() -> None:
    """Remove what a notebook that was cut off left behind."""
    with suppress(DockerException, RequestException), closing(docker_client.connect()) as daemon:
        cleanup.remove(daemon)


def _notebooks(names: list[str], engines: list[str]) -> list[Path]:
    known = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
    meant = {name: [path for path in known if paths.means(name, path.stem)] for name in names}
    if unknown := [name for name, found in meant.items() if not found]:
        raise UsageError(
            f"There is no engine or notebook called {' '.join(unknown)}.",
            next=f"Engines: {', '.join(engines)}. Notebooks: {paths.NOTEBOOKS}/*.ipynb.",
        )
    return sorted({path for found in meant.values() for path in found}) if names else known


def prove_notebook(path: Path, log: Path, timeout: float) -> dict[str, str]:
    """Run one notebook under nbval; return the outcome of each code cell by its id.

    timeout is in seconds; cells that it cuts off count as differing. nbval's output goes to log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    results = log.with_suffix(".xml")
    results.unlink(missing_ok=True)
    argv = [
        sys.executable, "-c", INTERRUPTIBLE, str(path),
        "--nbval", "--nbval-current-env",
        f"--nbval-sanitize-with={nbval_options.SANITIZE}",
        f"--nbval-cell-timeout={CELL_TIMEOUT}",
        f"--junitxml={results}",
        # The learner's own objects are tested with the embedded engine.
        "-p", "no:tests.support.canary", "-p", "no:cacheprovider",
    ]  # fmt: skip
    with log.open("w") as out:
        child = subprocess.Popen(
            argv, env=course.whole_environment(), cwd=paths.CHECKOUT, stdout=out, stderr=out
        )
        try:
            child.wait(timeout)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)  # pytest still writes its results
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    return outcomes(path, results)


def outcomes(path: Path, results: Path) -> dict[str, str]:
    """The outcome of each code cell, from nbval's results as JUnit XML."""
    import nbformat  # not yet installed when a fresh clone loads this module

    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    told = {}
    for case in cases:
        if found := re.fullmatch(r"Cell (\d+)", case.get("name", "")):
            told[int(found[1])] = {child.tag for child in case}
    result = {}
    for number, cell in enumerate(cells):
        skipped = "nbval-skip" in cell.metadata.get("tags", [])
        # nbval skips the cells after one that took too long; they have not been compared.
        result[cell.id] = SAME if told.get(number) == set() else DIFFERS
        if skipped:
            result[cell.id] = LEFT_OUT
    return result


def _version() -> str:
    status = course.status()
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Client.Version}}"],
        capture_output=True, text=True, env=course.whole_environment(), check=False,
    )  # fmt: skip
    return f"{status['version']}, asked by a client {asked.stdout.strip()}"


def _folder() -> Path:
    return paths.home() / "comparison"


def load(engine: str) -> Run:
    """The results of earlier runs on an engine in this home."""
    try:
        found = json.loads((_folder() / f"{engine}.json").read_text())
        return Run(engine, found["version"], found["notebooks"])
    except (OSError, ValueError, KeyError):
        return Run(engine, "not run", {})


def _save(run: Run) -> None:
    _folder().mkdir(parents=True, exist_ok=True)
    content = {"version": run.version, "notebooks": run.notebooks}
    (_folder() / f"{run.engine}.json").write_text(json.dumps(content, indent=1) + "\n")


def report(runs: list[Run], known: list[Reason], page: Path, say: Say) -> int:
    """Write the table into page; report differences without a reason and outdated reasons."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(head + BEGIN + table(runs, known) + END + tail, encoding="utf-8")
    say(f"the table is in {page}")
    missing = [
        f"{run.engine} {notebook} {cell}"
        for run in runs
        for notebook, cell in run.differing()
        if not why(known, run.engine, notebook, cell)
    ]
    for each in missing:
        say(f"differs without a reason in {REASONS.name}: {each}")
    for run in runs:
        for reason in known:
            if reason.engine == run.engine and reason.notebook in run.notebooks:
                _say_outdated(run, reason, say)
    return 1 if missing else 0


def _say_outdated(run: Run, reason: Reason, say: Say) -> None:
    cells = run.notebooks[reason.notebook]
    agree = [cell for cell in reason.cells if cell != "*" and cells.get(cell) != DIFFERS]
    if agree:
        say(f"no longer differs on {run.engine}, {reason.notebook}: {' '.join(agree)}")


def table(runs: Iterable[Run], known: list[Reason]) -> str:
    """The table as Markdown: a row per engine, then a row per reason."""
    runs = list(runs)
    lines = [
        "",
        "| engine | version of the daemon | notebooks | cells the same | cells that differ |",
        "|---|---|---|---|---|",
        *(
            f"| `{run.engine}` | {run.version} | {len(run.notebooks)} | {run.count(SAME)} | "
            f"{run.count(DIFFERS)} |"
            for run in runs
        ),
        "",
        "| engine | notebook | cells | why |",
        "|---|---|---|---|",
    ]
    for run in runs:
        groups: dict[tuple[str, str], list[str]] = {}
        for notebook, cell in run.differing():
            reason = why(known, run.engine, notebook, cell) or "**no reason known yet**"
            groups.setdefault((notebook, reason), []).append(cell)
        for (notebook, reason), cells in groups.items():
            named = " ".join(f"`{cell}`" for cell in cells)
            lines.append(f"| `{run.engine}` | {notebook} | {named} | {reason} |")
    return "\n".join(lines) + "\n\n"
