"""Runs the commands of a build and keeps their output in a log."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from dockyard.core import paths, wait
from dockyard.engine import system_packages
from dockyard.engine.base import AGAIN
from dockyard.exceptions import InstallFailed


def path() -> Path:
    """The log file of all builds."""
    return paths.logs() / "machine-build.log"


def run(
    command: Iterable[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run one command, output to the log. Raises InstallFailed with the log's last lines.

    env is added to the environment of this process.
    """
    words = [str(word) for word in command]
    path().parent.mkdir(parents=True, exist_ok=True)
    with path().open("ab") as output:
        output.write(f"$ {' '.join(words)}\n".encode())
        output.flush()
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env={**os.environ, "PATH": system_packages.SEARCH, "LC_ALL": "C", **(env or {})},
                check=False,
            )
        except FileNotFoundError:
            raise _failed(words[0], f"The program {words[0]} is missing.") from None
    if done.returncode != 0:
        raise _failed(words[0], wait.tail(path(), 6))


def _failed(program: str, why: str) -> InstallFailed:
    return InstallFailed(
        f"The machine could not be built: {program} failed.",
        why,
        f"Read {path()}, then:  {AGAIN}",
    )
