"""``test``: sets up everything, then runs pytest with nbval on tests and notebooks."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from dockyard import course
from dockyard.authoring.nbval_options import CELL_TIMEOUT, SANITIZE
from dockyard.commands.setup import set_up
from dockyard.core import paths, python_packages
from dockyard.core.console import say
from dockyard.engine import providers

ALL = "all"
"""Instead of an engine's name: run the notebooks on all engines that are compared."""


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
        *([] if paths_given else ["tests", "notebooks"]),
        *arguments,
    ]  # fmt: skip
    try:
        set_up(options.engine, say, source="debian")
        if arguments:
            return _pytest(argv)
        return _halves(argv)
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


def _halves(argv: list[str]) -> int:
    """Run the half that needs no engine beside the other, and print it afterwards."""
    with tempfile.TemporaryFile() as printed:
        rest = subprocess.Popen(
            # Only one of them may make the canary's objects.
            [*argv, "--half=rest", "-p", "no:tests.support.canary"],
            env=course.whole_environment(), cwd=paths.CHECKOUT,
            stdout=printed, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            code = _pytest([*argv, "--half=engine"])
            other = rest.wait()
        finally:
            if rest.poll() is None:
                rest.send_signal(signal.SIGINT)
                rest.wait()
            printed.seek(0)
            say("the tests that need no engine, which ran meanwhile:")
            shutil.copyfileobj(printed, sys.stdout.buffer)
            sys.stdout.flush()
    return code or other
