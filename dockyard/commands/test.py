"""``test``: sets up everything, then runs pytest with nbval on tests and notebooks."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dockyard import course
from dockyard.authoring.nbval_options import CELL_TIMEOUT, SANITIZE
from dockyard.commands.setup import set_up
from dockyard.core import paths, python_packages
from dockyard.core.console import say
from dockyard.engine import providers

ALL = "all"
"""Instead of an engine's name: run the notebooks on all engines that are compared."""

NO_CANARY = ["-p", "no:tests.support.canary"]
"""Only one run on an engine may make the canary's objects."""


def run(options: argparse.Namespace) -> int:
    """Run the tests; return pytest's exit code. Stops the engine, unless it was running before."""
    arguments = options.rest
    python_packages.ensure_test()
    # For this process and for all that it starts, such as pytest and the kernels.
    os.environ.setdefault(providers.VARIABLE, "tests.engines")
    if options.engine == ALL:
        from dockyard.authoring import engine_comparison

        return engine_comparison.run(arguments, say)
    if options.cov:
        # Every Python that is started from here on measures itself (coverage.process_startup).
        os.environ["COVERAGE_PROCESS_START"] = str(paths.CHECKOUT / "pyproject.toml")
        os.environ["COVERAGE_FILE"] = str(paths.CHECKOUT / ".coverage")
    running = course.State.load() if course.answers() else None
    ran_before = running is not None and options.engine in ("auto", running.engine)
    # As with pytest itself, paths replace the default selection and options do not.
    paths_given = [
        word for word in arguments if (paths.CHECKOUT / word.partition("::")[0]).exists()
    ]
    argv = [
        sys.executable, "-m", "pytest",
        "--nbval", "--nbval-current-env",
        f"--nbval-sanitize-with={SANITIZE}",
        f"--nbval-cell-timeout={CELL_TIMEOUT}",
    ]  # fmt: skip
    everything = [] if paths_given else ["tests", "notebooks"]
    try:
        set_up(options.engine, say, source="debian")
        if arguments:
            return _pytest([*argv, *everything, *arguments])
        there = course.whole_environment()
        rest = [*argv, "tests", "--part=rest", *NO_CANARY]
        others = {"the tests that need no engine": _Part(rest, there)}
        engine = [*argv, "tests", "--part=engine"]
        if not _can_be_alone():
            return _together(_Part([*engine, "notebooks", "--part=lessons"], there), others)
        with _home_for_a_while() as home:
            others["the lessons"] = _alone(home)
            return _together(_Part(engine, there), others)
    finally:
        if not ran_before:
            course.stop(say)
        if options.cov:
            for words in (["combine", "--quiet"], ["report"]):
                subprocess.run([sys.executable, "-m", "coverage", *words], check=False)


def _pytest(argv: list[str]) -> int:
    return subprocess.run(
        argv, env=course.whole_environment(), cwd=paths.CHECKOUT, check=False
    ).returncode


@dataclass
class _Part:
    """A command that runs beside others."""

    argv: list[str]
    environment: dict[str, str]

    def start(self, printed: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.argv,
            env=self.environment,
            cwd=paths.CHECKOUT,
            stdout=printed,
            stderr=None if printed is None else subprocess.STDOUT,
            # Ctrl-C is passed on once. A second one would interrupt the cleaning up.
            start_new_session=True,
        )


def _can_be_alone() -> bool:
    """Whether the lessons' part can have a network, an engine and a home of its own here."""
    state = course.State.load()
    return (
        os.geteuid() == 0
        and state is not None
        and state.engine == "embedded"
        and all(map(shutil.which, ("unshare", "ip")))
    )


@contextmanager
def _home_for_a_while() -> Iterator[Path]:
    """A home that is removed at the end, with its run folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        try:
            yield home
        finally:
            shutil.rmtree(paths.run_dir(home), ignore_errors=True)


def _alone(home: Path) -> _Part:
    """The lessons' part in a network of its own, where its ports are free, and without another.

    home is for an engine of its own, which takes programs and images from this home.
    """
    own_network = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    everything = ["notebooks", "tests", "--part=lessons"]
    command = ["-m", "dockyard", "test", "--engine", "embedded", *everything]
    return _Part(
        [*own_network, sys.executable, *command],
        os.environ | {"DOCKYARD_HOME": str(home), "DOCKYARD_STORE": str(paths.store())},
    )


def _together(main: _Part, others: dict[str, _Part]) -> int:
    """Run a part, and others beside it whose output is printed when all have ended."""
    with ExitStack() as stack:
        printed = {name: stack.enter_context(tempfile.TemporaryFile()) for name in others}
        running = [main.start(), *(part.start(printed[name]) for name, part in others.items())]
        try:
            codes = [process.wait() for process in running]
        finally:
            for process in running:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
            for process in running:
                process.wait()
            for name, file in printed.items():
                file.seek(0)
                say(f"{name}, which ran meanwhile:")
                shutil.copyfileobj(file, sys.stdout.buffer)
                sys.stdout.flush()
    return next(filter(None, codes), 0)
