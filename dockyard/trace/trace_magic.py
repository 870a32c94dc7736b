"""``%%trace``: run a cell and show the API requests that it sent."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from dockyard.core import docker_client
from dockyard.exceptions import UsageError
from dockyard.trace.recorder import Recorder
from dockyard.trace.table import Table


def register(ipython: InteractiveShell) -> None:
    """Register ``%%trace`` with an IPython shell."""

    def trace(line: str, cell: str) -> None:
        """``%%trace [--times] [--curl] [--sdk]``: run the cell, then show its API requests.

        --times adds durations and real ids. --curl and --sdk add to the plain text what the HTML
        table always has: each request as a curl line and as code for the Python SDK.
        """
        options = _options(line)
        with Recorder(docker_client.lesson()) as recorder, _errors_held_back(ipython):
            result = ipython.run_cell(cell)
        display(Table(recorder.exchanges, times=options.times, curl=options.curl, sdk=options.sdk))
        # Fails the cell as it would fail without the magic.
        result.raise_error()

    ipython.magics_manager.register_function(trace, magic_kind="cell", magic_name="trace")


@contextmanager
def _errors_held_back(ipython: InteractiveShell) -> Iterator[None]:
    """Show an error of the inner cell only once: by the outer cell that raises it."""
    vars(ipython)["_showtraceback"] = lambda *_: None
    try:
        yield
    finally:
        del vars(ipython)["_showtraceback"]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%trace: {message}.", next="Known: --times, --curl, --sdk.")


def _options(line: str) -> argparse.Namespace:
    parser = _Parser(prog="%%trace", add_help=False)
    for name in ("times", "curl", "sdk"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args(shlex.split(line))
