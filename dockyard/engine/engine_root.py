"""Docker 28.5 of Debian forky with all it needs, unpacked into the home and never installed.

The packages are resolved and verified by this host's apt-get and unpacked below
``home/engine-root/DIGEST``. Their programs need a newer C library than this host may have. They
run in a mount namespace in which that folder's ``usr`` is laid over the host's ``/usr``; every
other path is the host's, so bind mounts, sockets and the checkout are where they always are. Such a
namespace costs 15 ms, and the kernel removes its mounts with its last process.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.core.wait import tail
from dockyard.engine import debian_archive
from dockyard.engine.base import Need, free_space
from dockyard.exceptions import DiskFull, InstallFailed

SUITE = "forky"
VERSION = "28.5.2"
PACKAGES = (
    f"docker.io={VERSION}*",
    f"docker-cli={VERSION}*",
    "containerd",
    "runc",
    "docker-buildx",
    "docker-compose",
    "iptables",
    "iproute2",  # for hosts without it, see netfilter
    "procps",  # dockerd runs ps for docker top
)
"""What is unpacked, with all dependencies; apt-get accepts a wildcard in a version."""

NOT_UNPACKED = ("debconf", "gcc-16-base", "libsystemd-shared", "systemd", "sysvinit-utils")
"""Dependencies of the packages' maintainer scripts and service units, which are not run."""

LEFT_OUT = (
    "./etc",
    "./var",
    "./usr/share",
    "./usr/bin/ctr",
    "./usr/lib/cni",
    "./usr/lib/containerd",
    "./usr/lib/systemd",
    "./usr/lib/*/gconv",
)
"""Folders and files that no lesson needs, by the names they have in a package."""

ROOM_NEEDED = 700 * 10**6
"""Free bytes needed to fetch and unpack: 105 MB of packages, 375 MB of programs."""

OVER_USR = """\
(cd "$0" && mount -t overlay -o ro,lowerdir=usr:/usr overlay /usr)
mount --make-rshared /
exec "$@"
"""
"""Shell that runs in a new mount namespace: $0 is the engine root, then the command.

The folder is named relative to it, because commas and colons have a meaning in mount options.
"""


def folder() -> Path:
    """The engine root of this release of the course; fetch() creates it."""
    recipe = (SUITE, PACKAGES, NOT_UNPACKED, LEFT_OUT, platform.machine())
    digest = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    return paths.home() / "engine-root" / digest


def needs() -> list[Need]:
    """What fetching and entering an engine root requires. Changes nothing."""
    programs = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    merged = Path("/lib").is_symlink() and Path("/lib64").is_symlink()
    return [
        Need(
            "apt-get",
            not programs or folder().exists(),
            f"missing: {', '.join(programs)}" if programs else "found",
        ),
        Need(
            "merged /usr",
            merged,
            "/lib and /lib64 lead to /usr" if merged else "/lib or /lib64 is not a link to /usr",
        ),
    ]


def missing_packages() -> list[str]:
    """The packages that this host must have before fetch() can verify what it downloads."""
    ready = folder().exists() or debian_archive.KEYRING.exists()
    return [] if ready else ["debian-archive-keyring"]


def fetch(say: Say) -> Path:
    """Download and unpack the packages, unless that is done already; return the engine root.

    Raises InstallFailed, DiskFull or Busy.
    """
    root = folder()
    if root.exists():
        return root
    with Lock("engine-root", timeout=900):
        if root.exists():  # another command was faster
            return root
        _check_room(root)
        part = root.with_name(f"{root.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            with tempfile.TemporaryDirectory(prefix="packages-", dir=root.parent) as scratch:
                say(f"downloading Docker {VERSION} of Debian {SUITE} (105 MB)")
                packages = _download(Path(scratch))
                say(f"unpacking {len(packages)} packages (375 MB)")
                _unpack(packages, part)
            _link_iptables(part)
            part.rename(root)
            _remove_all_but(root)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return root


def _remove_all_but(root: Path) -> None:
    """Remove the engine roots of earlier releases; no daemon of this home runs now."""
    for folder in root.parent.iterdir():
        if folder != root:
            shutil.rmtree(folder, ignore_errors=True)


def _check_room(root: Path) -> None:
    free = free_space(root)
    if free < ROOM_NEEDED:
        raise DiskFull(
            f"Only {free / 1e6:.0f} MB are free in {paths.home()}.",
            f"Docker {VERSION} needs {ROOM_NEEDED / 1e6:.0f} MB while it is unpacked.",
            "Free some space, or choose another disk:  "
            "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn",
        )


def _log() -> Path:
    log = paths.logs() / "engine-root.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def _download(scratch: Path) -> list[Path]:
    log = _log()
    apt = [
        *debian_archive.private_apt(scratch, [SUITE]),
        # A snapshot of a testing suite, as some mirrors keep, may be past its Valid-Until date.
        *("-o", "Acquire::Check-Valid-Until=false"),
        *("-o", "Acquire::Retries=3"),
        # Without this, apt-get update succeeds without a network.
        *("-o", "APT::Update::Error-Mode=any"),
    ]
    install = ["install", "--download-only", "--no-install-recommends", "--yes", *PACKAGES]
    with log.open("wb") as out:
        for words in (["update"], install):
            try:
                done = subprocess.run(
                    [*apt, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    env={**os.environ, "LC_ALL": "C"},
                    check=False,
                )
            except FileNotFoundError:
                raise InstallFailed(
                    "This system has no apt-get, so Docker cannot be fetched.",
                    f"The course takes Docker {VERSION} from Debian's packages.",
                    "Use the Docker that you have:  python3 -m dockyard learn --engine local",
                ) from None
            if done.returncode != 0:
                raise InstallFailed(
                    f"Docker {VERSION} of Debian {SUITE} could not be downloaded.",
                    tail(log, 3),
                    f"Check the network and the free disk space, read {log}, then run this again.",
                )
    return sorted((scratch / "cache" / "archives").glob("*.deb"))


def _unpack(packages: list[Path], root: Path) -> None:
    wanted = [package for package in packages if package.name.partition("_")[0] not in NOT_UNPACKED]
    largest_first = sorted(wanted, key=lambda package: -package.stat().st_size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda package: _unpack_one(package, root), largest_first):
            pass


def _unpack_one(package: Path, root: Path) -> None:
    leave_out = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as archive:
        done = subprocess.run(
            ["tar", "--extract", "--no-same-owner", f"--directory={root}", *leave_out],
            stdin=archive.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
        assert archive.stderr
        said = archive.stderr.read().decode(errors="replace") + done.stderr
    if done.returncode != 0 or archive.returncode != 0:
        raise InstallFailed(
            f"The package {package.name} could not be unpacked.",
            "\n".join(said.splitlines()[-3:]),
            f"Check the free disk space of {root.parent}, then run this again.",
        )


def _link_iptables(root: Path) -> None:
    """Name the programs that a host without iptables does not name by /etc/alternatives."""
    links = root / "usr" / "lib" / "dockyard"
    links.mkdir()
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            (links / f"{family}{suffix}").symlink_to("../../sbin/xtables-nft-multi")


PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/dockyard"
"""The PATH in an engine root: a host's own choice between kinds of iptables comes first."""


def command(root: Path, *words: str | Path) -> list[str | Path]:
    """A command in a new mount namespace with the engine root's ``usr`` over ``/usr``; needs root.

    Mounts that the host makes later appear in the namespace, but not the reverse.
    """
    return ["unshare", "--mount", "--propagation=slave", "sh", "-ec", OVER_USR, root, *words]


def join(pid: int, *words: str | Path) -> list[str | Path]:
    """A command in the mount namespace of a process that was started by command()."""
    return ["nsenter", f"--mount=/proc/{pid}/ns/mnt", *words]
