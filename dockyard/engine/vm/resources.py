"""How much of this host a machine may take: memory, where that is kept, and a CPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
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


def cgroup_limits(groups: str, mounted: Path = CGROUP) -> Iterator[int]:
    """Every memory limit in bytes above a process whose /proc/PID/cgroup reads groups.

    cgroups(7); in a container the limit is at the mount point itself.
    """
    for line in groups.splitlines():
        _, controllers, path = line.split(":", maxsplit=2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = mounted / "memory" if controllers else mounted
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        here = top / path.strip("/")
        for folder in (here, *here.parents):
            if folder == mounted.parent or not folder.is_relative_to(top):
                break
            try:
                yield int((folder / name).read_text())
            except (OSError, ValueError):
                continue


def memory() -> int:
    """The bytes of memory this process and its like may use: the host's, or a cgroup's."""
    total = psutil.virtual_memory().total
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return total
    return min([total, *cgroup_limits(groups)])


def machine_memory(total: int) -> int | None:
    """The bytes to give the machine where total bytes may be used; None when too few."""
    if total < LEAST_TOTAL:
        return None
    return min(total - FOR_JUPYTER, max(total // 2, 1408 * MiB), MOST)


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
