"""How much of this host the machine may use: memory, the place of its memory file, and a CPU."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import psutil

MiB = 1024**2

LEAST_TOTAL = 1536 * MiB
"""With less, a daemon does not fit beside JupyterLab and a Python kernel."""

FOR_JUPYTER = 640 * MiB
"""JupyterLab, one Python kernel, and what the machine's processes use outside of its memory."""

MOST = 4096 * MiB
"""The lessons need no more."""

CGROUP = Path("/sys/fs/cgroup")


def cgroup_limits(groups: str, mounted: Path = CGROUP) -> Iterator[int]:
    """Every memory limit, in bytes, that applies to a process with these cgroups.

    groups is the content of its /proc/PID/cgroup (cgroups(7)). In a container the limit is at
    the mount point.
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
    """The bytes of memory that this process may use: all of the host's, or a cgroup's limit."""
    total = psutil.virtual_memory().total
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return total
    return min([total, *cgroup_limits(groups)])


def machine_memory(total: int) -> int | None:
    """The machine's memory in bytes when total bytes may be used; None when that is too little."""
    if total < LEAST_TOTAL:
        return None
    return min(total - FOR_JUPYTER, max(total // 2, 1408 * MiB), MOST)


def least_busy_cpu() -> int:
    """The number of the allowed CPU that was least busy in the last tenth of a second."""
    return least_busy(psutil.cpu_percent(interval=0.1, percpu=True), os.sched_getaffinity(0))


def least_busy(percent: Sequence[float], allowed: Collection[int]) -> int:
    """One of the allowed CPUs that are about equally little busy, drawn at random.

    percent is how busy each CPU is. Where all are busy, as in a classroom, the lowest number would
    get every machine.
    """

    def tens(cpu: int) -> float:
        return round(percent[cpu], -1) if cpu < len(percent) else 0.0

    least = min(map(tens, allowed))
    return random.choice([cpu for cpu in allowed if tens(cpu) == least])


def memory_folder(needed: int, fallback: Path) -> Path:
    """The folder for the machine's memory file: in memory if possible, else fallback, on a disk.

    On a disk it works too, but the host writes it back now and then. The folder must not be
    mounted noexec, because the guest's programs run from the file.
    """
    shared = Path("/dev/shm")
    try:
        executable = not os.statvfs(shared).f_flag & os.ST_NOEXEC
        if executable and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free >= needed:
            return shared
    except OSError:
        pass
    return fallback
