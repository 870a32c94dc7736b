"""Finds programs of this system, and names the Debian packages of those that are missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])
"""The PATH with the folders of administration programs, which not every user has on it."""


def which(program: str) -> str | None:
    """The path of a program, administration folders included; None if it is not installed."""
    return shutil.which(program, path=SEARCH)


def missing(programs: Mapping[str, str]) -> list[str]:
    """The packages of those programs that are not installed, sorted; maps program to package."""
    return sorted({package for program, package in programs.items() if not which(program)})
