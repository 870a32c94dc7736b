"""``test``: everything set up, then pytest with nbval over tests and notebooks."""

from __future__ import annotations

import argparse
import subprocess
import sys

from dockyard import course
from dockyard.commands.setup import set_up
from dockyard.core import paths
from dockyard.core.console import say

SANITIZE = paths.CHECKOUT / "tests" / "sanitize.cfg"
CELL_TIMEOUT = 180
"""Seconds a cell may take; nbval's own default of 2000 would hide a hanging command."""


ALL = "all"
"""In place of an engine's name: the notebooks on every engine that is compared."""


def run(options: argparse.Namespace) -> int:
    """Run the tests; further arguments go to pytest. An engine that was started here is stopped."""
    arguments = options.rest
    if options.engine == ALL:
        from dockyard.authoring import engine_comparison

        return engine_comparison.run(arguments, say, install=options.yes)
    ran_before = course.answers()
    # Paths replace the default selection, options add to it, as with pytest itself.
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
        set_up(options.engine, say, install=options.yes)
        return subprocess.run(
            argv, env=course.whole_environment(), cwd=paths.CHECKOUT, check=False
        ).returncode
    finally:
        if not ran_before:
            course.stop(say)
