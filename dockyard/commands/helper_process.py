"""The processes that ``learn`` runs: JupyterLab, and the command that sets up the engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from dockyard.core import paths

PATIENCE = 60
"""Seconds in which a process may clean up after it was told to end."""


class HelperProcess:
    """``python -m WORDS`` for the length of a ``with`` block; its output goes to the terminal.

    It is in a session of its own, so Ctrl-C at the terminal does not reach it: JupyterLab would
    ask whether it is meant. It gets SIGTERM at the end of the block.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._argv = [sys.executable, "-m", *words]
        self._environment = dict(environment)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._argv,
            cwd=paths.CHECKOUT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def wait(self) -> int:
        """Wait until it exits; return its exit code."""
        return self._process.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()  # does nothing when it has exited
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
