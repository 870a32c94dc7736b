"""The processes that ``learn`` runs: JupyterLab, and the command that sets up the engine."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from dockyard.core import paths

PR_SET_PDEATHSIG = 1

PATIENCE = 60
"""Seconds in which a process may clean up after it was told to end, if nothing else is said."""


class HelperProcess:
    """``python -m WORDS`` for the length of a ``with`` block; its output goes to the terminal.

    It is in a session of its own, so Ctrl-C at the terminal does not reach it: JupyterLab would
    ask whether it is meant. It gets SIGTERM at the end of the block, and on Linux also when this
    process is killed.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], patience: float = PATIENCE
    ) -> None:
        self._argv = [sys.executable, "-m", *words]
        self._environment = dict(environment)
        self._patience = patience

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._argv,
            cwd=paths.CHECKOUT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509  # learn has one thread
        )
        return self

    def wait(self, seconds: float) -> int | None:
        """Wait until it exits; return its exit code, or None when it still runs after seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()  # does nothing when it has exited
        if self.wait(self._patience) is None:
            self._process.kill()
            self._process.wait()


def _end_with_parent() -> Callable[[], None] | None:
    """What a new process does to get SIGTERM when this one ends (prctl(2)); None without Linux."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)  # it has ended since

    return ask
