"""Runs a program where it sees nothing of this computer but the course, and can change nothing.

Bubblewrap (bwrap(1)) gives it namespaces of its own: no network but a loopback, no process, no file
of the user's. What it writes is gone at the end. It has no privilege, also when root runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dockyard.core import paths
from dockyard.engine.system_packages import which
from dockyard.exceptions import InstallFailed

NOBODY = 65534
"""The user as which root runs it, and the user's group."""

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Folders of the system, or links into /usr."""

SETTINGS = (
    *("alternatives", "ca-certificates", "debian_version", "group", "ld.so.cache", "ld.so.conf"),
    *("ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "passwd"),
    *("protocols", "services", "ssl"),
)
"""What programs need of /etc."""

STORE = ("engine-bin", "engine-root", "machine", "registry", "registry-digests.json", "wheels")
"""What an engine needs of the store; nothing of it is anybody's own."""

HOME = "/proof"
"""The home inside."""


def run(words: Sequence[str | Path], content: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run Python's words there with content as standard input, until they end.

    Raises InstallFailed without Bubblewrap.
    """
    bwrap = which("bwrap")
    if bwrap is None:
        raise InstallFailed(
            "Bubblewrap is not installed, which keeps a learner's commands away from your files.",
            next="Install it:  sudo apt-get install bubblewrap",
        )
    # What ran there may have made folders that this user cannot empty.
    with tempfile.TemporaryDirectory(
        prefix="dockyard-proof-", ignore_cleanup_errors=True
    ) as folder:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        return subprocess.run(
            [bwrap, *_namespaces(), *_files(Path(folder)), *_variables(), "--", *_unprivileged(),
             sys.executable, *words],
            input=content, capture_output=True, check=False,
        )  # fmt: skip


def _namespaces() -> list[str]:
    kinds = ["ipc", "pid", "net", "uts", *([] if os.geteuid() == 0 else ["user"])]
    return [f"--unshare-{kind}" for kind in kinds] + ["--die-with-parent", "--new-session"]


def _unprivileged() -> list[str]:
    """What gives up root's rights. Without a user namespace, as in one root stays root to files."""
    if os.geteuid():
        return []
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *user, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"]


def _files(folder: Path) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev")
    yield from ("--perms", "1777", "--tmpfs", "/tmp", "--chmod", "1777", "/dev/shm")
    for name in filter(os.path.lexists, SYSTEM):
        link = os.path.islink(name)
        yield from ("--symlink", os.readlink(name), name) if link else ("--ro-bind", name, name)
    shown = {f"/etc/{name}": Path("/etc", name) for name in SETTINGS}
    shown |= {f"/store/{name}": paths.store() / name for name in STORE}
    for own in (Path(sys.base_prefix), paths.CHECKOUT, Path(sys.prefix)):
        if not own.is_relative_to("/usr"):
            shown[str(own)] = own
    # The folders that Bubblewrap makes above them would be for root alone.
    for above in sorted({str(each) for place in shown for each in Path(place).parents} - {"/"}):
        yield from ("--perms", "0755", "--dir", above)
    for place, source in shown.items():
        yield from ("--ro-bind-try", str(source), place)
    # The home of this user's course, and the copy of the notebooks.
    for name in (".dockyard", "my-course"):
        if (hidden := paths.CHECKOUT / name).exists():
            yield from ("--tmpfs", str(hidden))
    yield from ("--bind", str(folder), HOME, "--chdir", str(paths.CHECKOUT))


def _variables() -> Iterator[str]:
    own = str(Path(sys.executable).parent)
    yield "--clearenv"
    for name, value in {
        "HOME": HOME,
        "DOCKYARD_HOME": f"{HOME}/dockyard",
        "DOCKYARD_STORE": "/store",
        "PATH": f"{own}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
    }.items():
        yield from ("--setenv", name, value)
