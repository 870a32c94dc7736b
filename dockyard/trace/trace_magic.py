"""``%%trace``: run a cell and show the API requests that it sent."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from dockyard.core import docker_client
from dockyard.exceptions import UsageError
from dockyard.trace.recorder import Recorder
from dockyard.trace.table import Table


def register(ipython: InteractiveShell) -> None:
    """Make ``%%trace`` known to an IPython shell."""

    def trace(line: str, cell: str) -> None:
        """``%%trace [--times] [--curl] [--sdk]``: run the cell, then show its API requests.

        --times adds durations and real ids, --curl and --sdk add to the text what the table
        holds anyway: each request as a curl line, and as code for the Python SDK.
        """
        options = _options(line)
        with Recorder(docker_client.lesson()) as recorder, _errors_held_back(ipython):
            result = ipython.run_cell(cell)
        display(Table(recorder.exchanges, times=options.times, curl=options.curl, sdk=options.sdk))
        # The cell fails as it would have without this line, once its requests are shown.
        result.raise_error()

    ipython.register_magic_function(trace, magic_kind="cell", magic_name="trace")


@contextmanager
def _errors_held_back(ipython: InteractiveShell) -> Iterator[None]:
    """Let an error inside the cell be shown once, by the cell that holds it."""
    ipython._showtraceback = lambda *_: None
    try:
        yield
    finally:
        del ipython._showtraceback


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise UsageError(f"%%trace: {message}.", next="Known: --times, --curl, --sdk.")


def _options(line: str) -> argparse.Namespace:
    parser = _Parser(prog="%%trace", add_help=False)
    for name in ("times", "curl", "sdk"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args(shlex.split(line))
