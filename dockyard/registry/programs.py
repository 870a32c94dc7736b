"""The programs that the registry and its filling run: those of the engine root."""

from __future__ import annotations

import os

from dockyard.core import console
from dockyard.engine import engine_root, system_packages
from dockyard.engine.base import AGAIN
from dockyard.exceptions import InstallFailed


def argv(program: str) -> list[str] | None:
    """The beginning of a command that runs a program; None if this computer cannot run it.

    Fetches the engine root if it is missing. Raises InstallFailed, DiskFull or Busy.
    """
    if program == "mmdebstrap":
        return _as_root(program)
    found = engine_root.program(program)
    return [found] if found else None


def _as_root(program: str) -> list[str] | None:
    if not engine_root.can_be_had():
        return None
    root = engine_root.fetch(console.say)
    if os.geteuid() == 0:
        return [str(word) for word in engine_root.command(root, program)]
    if system_packages.which("newuidmap"):
        return engine_root.in_user_namespace(program)
    return None


def require(program: str) -> list[str]:
    """The beginning of a command that runs a program. Raises InstallFailed, DiskFull or Busy."""
    if found := argv(program):
        return found
    raise InstallFailed(
        f"The program {program} is missing.",
        "The course brings it along for Linux only.",
        f"Install {program}, then:  {AGAIN}",
    )
