"""Removes what daemons leave on this host that do not run in namespaces of their own."""

import os
import re
import subprocess
from pathlib import Path

from dockyard.engine import netfilter


def unmount_below(*folders: Path) -> None:
    """Unmount everything at or below the folders, the newest mount first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_bytes().splitlines()]
    for point in reversed(points):
        # A space is escaped as \\040, non-ASCII bytes are not escaped (proc_pid_mountinfo(5)).
        where = Path(os.fsdecode(point.decode("unicode_escape").encode("latin-1")))
        if any(where.is_relative_to(folder) for folder in folders):
            subprocess.run(["umount", "--lazy", where], check=False)


def remove_podman_chains() -> None:
    """Remove the chains that Podman's netavark leaves behind, unless a container uses them.

    Each network in use has a chain whose name contains the hash of the network's name.
    """
    for family in netfilter.FAMILIES:
        saved = netfilter.run(f"{family}-save")
        if not re.search(r"^:NETAVARK-[0-9A-F]{10,}", saved, re.MULTILINE):
            netfilter.remove_chains(family, r"NETAVARK\S*")
