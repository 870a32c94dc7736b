"""Finds the full disk behind an error: that of the home, or that of the run folder, often /tmp."""

from __future__ import annotations

import errno
import os
import shlex
from contextlib import suppress
from pathlib import Path

from dockyard.core import paths
from dockyard.exceptions import DiskFull

LEAST = 1024**2
"""Free bytes below which a disk counts as full."""


def find() -> Path | None:
    """The folder whose disk is full: that of the run folder, or the home. None when neither is."""
    for folder in (paths.run_base(), paths.home()):
        with suppress(OSError):
            disk = os.statvfs(folder)
            # Some file systems do not count their inodes.
            if disk.f_bavail * disk.f_frsize < LEAST or (disk.f_files and not disk.f_favail):
                return folder
    return None


def what_is_large(folder: Path) -> str:
    """The command that shows what takes the space of a folder."""
    return f"du -ahxd1 {shlex.quote(str(folder))}"


def explain(error: OSError) -> DiskFull | None:
    """The error to show for one of the system; None when it is not about a full disk."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    folder = find() or Path(error.filename or paths.home())
    return DiskFull(
        f"The disk of {folder} is full.",
        f"{error.strerror}. Nothing that was saved before is lost.",
        f"Free some space there, then run this again. What is large:  {what_is_large(folder)}",
    )
