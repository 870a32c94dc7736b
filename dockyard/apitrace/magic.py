"""``%%trace``: run a cell and show the API requests that it sent."""

from __future__ import annotations

import argparse
import os
import shlex

from IPython.display import display

from dockyard.apitrace.explain import Table
from dockyard.apitrace.record import Recorder
from dockyard.exceptions import UsageError


def register(ipython) -> None:
    """Make ``%%trace`` known to an IPython shell."""

    def trace(line: str, cell: str) -> None:
        """``%%trace [--times] [--curl] [--sdk]``: run the cell, then show its API requests."""
        options = _options(line)
        with Recorder(_lesson()) as recorder:
            ipython.run_cell(cell)
        display(Table(recorder.exchanges, times=options.times, curl=options.curl, sdk=options.sdk))

    ipython.register_magic_function(trace, magic_kind="cell", magic_name="trace")


def _lesson() -> str | None:
    # The lesson's configuration folder is named for it; its clients send this name along.
    name = os.path.basename(os.environ.get("DOCKER_CONFIG", ""))
    return None if name in ("", "course") else name


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise UsageError(f"%%trace: {message}.", next="Known: --times, --curl, --sdk.")


def _options(line: str) -> argparse.Namespace:
    parser = _Parser(prog="%%trace", add_help=False)
    for name in ("times", "curl", "sdk"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args(shlex.split(line))
