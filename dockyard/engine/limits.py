"""How much of this host a machine may take: memory, where that is kept, and a CPU."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

MiB = 1024**2

LEAST_TOTAL = 1536 * MiB
"""Below this there is no room for a daemon beside JupyterLab and a Python kernel."""

FOR_JUPYTER = 640 * MiB
"""JupyterLab, one Python kernel, and what the machine takes outside its own memory."""

MOST = 4096 * MiB
"""The lessons need no more."""

CGROUP = Path("/sys/fs/cgroup")


def _number(*names: str) -> int | None:
    for name in names:
        try:
            return int((CGROUP / name).read_text())
        except (OSError, ValueError):
            continue
    return None


def memory() -> int:
    """The bytes of memory this process and its like may use: the host's, or the cgroup's."""
    total = psutil.virtual_memory().total
    limit = _number("memory.max", "memory/memory.limit_in_bytes")
    return min(total, limit) if limit else total


def machine_memory(total: int) -> int | None:
    """The bytes to give the machine where total bytes may be used; None when too few."""
    if total < LEAST_TOTAL:
        return None
    return min(total - FOR_JUPYTER, max(total // 2, LEAST_TOTAL - FOR_JUPYTER, 1408 * MiB), MOST)


def calmest_cpu() -> int:
    """The number of the CPU that did least in the last tenth of a second, of those allowed."""
    busy = psutil.cpu_percent(interval=0.1, percpu=True)
    return min(os.sched_getaffinity(0), key=lambda cpu: busy[cpu] if cpu < len(busy) else 0.0)


def memory_folder(needed: int, fallback: Path) -> Path:
    """Where the machine's memory file goes: in memory where possible, else on the disk.

    A file on a disk works too, but the host writes it back now and then. The folder must
    allow programs to run from it, as the guest's programs do.
    """
    shared = Path("/dev/shm")
    try:
        flags = os.statvfs(shared).f_flag
        programs_may_run = not flags & os.ST_NOEXEC and os.access(shared, os.W_OK)
        if programs_may_run and shutil.disk_usage(shared).free >= needed:
            return shared
    except OSError:
        pass
    return fallback
