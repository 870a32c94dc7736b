"""The programs that checks run in containers, so that a watch does not take them for a learner's.

The daemon announces every ``docker exec`` and has no label for it. Several processes check and
watch at the same time: cells, terminals, the side bar. So their ids are kept in a file.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dockyard.core import paths

LONGEST = 100_000
"""Bytes after which the file is begun anew; a watch needs the ids of the last seconds."""


def _file() -> Path:
    return paths.home() / "executions"


def remember(id: str) -> None:
    """Note the id of an execution, as the daemon has given it."""
    file = _file()
    # Without the file, a watch only looks once more than it needs to.
    with suppress(OSError):
        if file.exists() and file.stat().st_size > LONGEST:
            file.unlink(missing_ok=True)
        with file.open("a") as noted:
            noted.write(f"{id}\n")


def known() -> set[str]:
    """The ids of the executions of all checks."""
    try:
        return set(_file().read_text().split())
    except OSError:
        return set()
