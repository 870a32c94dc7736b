"""``test``: sets up everything, then runs pytest with nbval on tests and notebooks."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
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

LESSONS = ("notebooks", "tests/lessons", "tests/notebook", "tests/quiz")
LABS = ("tests/labs", "tests/drills", "tests/sharing", "tests/commands")
"""The folders of two parts, whose tests run on an engine and in a network of their own."""

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
        others = _Part("the tests that need no engine", rest, there)
        engine = [*argv, "tests", "--part=engine"]
        if not _can_be_alone():
            everything = [*engine, "notebooks", "--part=lessons", "--part=labs"]
            return _together(_Part("the tests on the engine", everything, there), [others])
        with _home_for_a_while() as home, _home_for_a_while() as another:
            lessons = _alone("the lessons", [*LESSONS, "--part=lessons"], home)
            labs = _alone("the labs, drills and commands", [*LABS, "--part=labs"], another)
            main = _Part("the tests on the engine", engine, there)
            return _together(main, [lessons], [others, labs])
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

    title: str
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
    """Whether a part can have a network, an engine and a home of its own here."""
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


def _alone(title: str, words: list[str], home: Path) -> _Part:
    """A part in a network of its own, where its ports are free, and without another.

    home is for an engine of its own, which takes programs and images from this home.
    """
    own_network = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    command = ["-m", "dockyard", "test", "--engine", "embedded", *words]
    return _Part(
        title,
        [*own_network, sys.executable, *command],
        os.environ | {"DOCKYARD_HOME": str(home), "DOCKYARD_STORE": str(paths.store())},
    )


def _together(main: _Part, *chains: list[_Part]) -> int:
    """Run a part, and beside it chains of others, in which one starts when the last has ended.

    What the others print is printed when all have ended.
    """
    codes = []
    with ExitStack() as stack:
        printed: dict[str, IO[bytes]] = {}

        def start(part: _Part) -> subprocess.Popen[bytes]:
            printed[part.title] = stack.enter_context(tempfile.TemporaryFile())
            return part.start(printed[part.title])

        running = {main.start(): list[_Part]()}
        try:
            running |= {start(first): later for first, *later in chains}
            while running:
                for process in [each for each in running if each.poll() is not None]:
                    codes.append(process.returncode)
                    if later := running.pop(process):
                        running[start(later[0])] = later[1:]
                time.sleep(0.2)
        finally:
            for process in running:
                process.send_signal(signal.SIGINT)
            for process in running:
                process.wait()
            for title, file in printed.items():
                file.seek(0)
                say(f"{title}, which ran meanwhile:")
                shutil.copyfileobj(file, sys.stdout.buffer)
                sys.stdout.flush()
    return next(filter(None, codes), 0)
