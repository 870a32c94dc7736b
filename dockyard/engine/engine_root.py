"""Docker and the other programs that the course brings along, unpacked into the home.

Nothing is installed. They are programs of Debian, so they need Debian's C library, of a version
that this host may not have. There are two ways to run them:

- program() gives a launcher that starts a program with the libraries beside it. It needs no
  privilege and works on any distribution, but the programs that it calls are the host's.
- command() runs programs as root in a mount namespace in which the engine root's ``usr`` is laid
  over the host's ``/usr``; every other path is the host's, so bind mounts, sockets and the
  checkout are where they always are. The kernel removes the mounts with the last process.

engine_root.toml says what an engine root holds.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dockyard.core import console, paths, shared_store
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.engine import debian_archive, root_archive
from dockyard.engine.base import AGAIN, LARGER_DISK, Need, free_space
from dockyard.exceptions import DiskFull, InstallFailed

TABLE = Path(__file__).with_name("engine_root.toml")
_TABLE: dict[str, Any] = tomllib.loads(TABLE.read_text())

SUITE: str = _TABLE["suite"]
VERSION: str = _TABLE["version"]
SNAPSHOT = f"{debian_archive.SNAPSHOTS}/{_TABLE['snapshot']}"
"""The URL of Debian's archive as it was when the suite had this version."""

PACKAGES = [name.replace("VERSION", VERSION) for name in _TABLE["packages"]]
"""What is unpacked, with all dependencies; apt-get accepts a wildcard in a version."""

LAYOUT = 2
"""Raised when what is made of the packages changes."""

ROOM_NEEDED = 900 * 10**6
"""Free bytes needed to fetch and unpack: 160 MB of packages, 550 MB of programs."""

NO_CACHE = "ld.so.cache"
"""An empty file."""

LAUNCHED = (
    "bin/curl", "bin/dash", "bin/docker", "bin/docker-registry", "bin/ip", "bin/mount",
    "bin/nsenter", "bin/perl", "bin/skopeo", "bin/slirp4netns", "bin/tar", "bin/unshare",
    "libexec/docker/cli-plugins/docker-buildx", "libexec/docker/cli-plugins/docker-compose",
    "sbin/xtables-legacy-multi", "sbin/xtables-nft-multi",
)  # fmt: skip
"""The programs with a launcher, below ``usr``."""

LAUNCHER = """\
#!/bin/sh
# Starts {name} with the libraries of its distribution, which this system may not have.
exec {root}/{loader} --library-path {root}/{libraries} --argv0 "$0" {root}/usr/{name} "$@"
"""

OVER_USR = """\
(cd "$0" && {overlay} -o ro,lowerdir=usr:/usr /usr)
[ ! -e /etc/ld.so.cache ] || {mount} --bind {cache} /etc/ld.so.cache
export PATH={path}
"""
"""Shell that lays the ``usr`` of the folder $0 over /usr in a new mount namespace.

The host's cache of the dynamic loader would lead programs to the host's libraries. The folder is
named relative to it, because commas and colons have a meaning in mount options.
"""

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH in an engine root, without the folders in which the host has programs of its own."""


def folder() -> Path:
    """The engine root of this release of the course; fetch() creates it."""
    return paths.store() / "engine-root" / recipe()


def recipe() -> str:
    """Twelve hex digits that stand for what an engine root holds on this architecture."""
    parts = [LAYOUT, SUITE, PACKAGES, _TABLE["assumed"], _TABLE["left_out"], LAUNCHED, LAUNCHER]
    return hashlib.sha256(repr([*parts, platform.machine()]).encode()).hexdigest()[:12]


def can_be_had() -> bool:
    """Whether this computer has an engine root or can fetch one."""
    return folder().exists() or (
        platform.system() == "Linux" and (published() is not None or debian_archive.can_extract())
    )


def published() -> root_archive.Published | None:
    """The archive of a release for this architecture and version, if there is one."""
    return root_archive.published(_TABLE, platform.machine(), recipe())


def need() -> Need:
    """The need for an engine root's programs. Changes nothing."""
    return Need(
        f"Docker {VERSION}",
        can_be_had(),
        "in the home" if folder().exists() else _source(),
        "" if can_be_had() else "python3 -m dockyard learn --engine local",
    )


def needs() -> list[Need]:
    """What fetching and entering an engine root requires. Changes nothing."""
    merged = Path("/lib").is_symlink() and Path("/lib64").is_symlink()
    return [
        need(),
        Need(
            "merged /usr",
            merged,
            "/lib and /lib64 lead to /usr" if merged else "/lib or /lib64 is not a link to /usr",
            "" if merged else "python3 -m dockyard learn --engine machine",
        ),
    ]


def _source() -> str:
    if found := published():
        return f"can be downloaded from {found.url}"
    if debian_archive.can_extract():
        return f"can be made of Debian's packages ({SUITE})"
    return "no published archive for this computer, and no apt-get and dpkg-deb to make one"


def program(name: str, say: Say = console.say) -> str | None:
    """The path of one of LAUNCHED, fetched if it is missing; of the host's where none can be had.

    None if there is neither. Raises InstallFailed, DiskFull or Busy.
    """
    if can_be_had():
        return str(fetch(say) / "bin" / name)
    return shutil.which(name)


def fetch(say: Say) -> Path:
    """Download and unpack the programs, unless that is done already; return the engine root.

    Raises InstallFailed, DiskFull or Busy.
    """
    root = folder()
    if root.exists():
        return root
    shared_store.require_writable(f"Docker {VERSION}")
    with Lock("engine-root", timeout=900):
        if root.exists():  # another command was faster
            return root
        _check_room(root)
        part = root.with_name(f"{root.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            _fill(part, say)
            part.rename(root)
        except OSError as error:
            raise root_archive.disk_full(root.parent, error) from None
        finally:
            shutil.rmtree(part, ignore_errors=True)
        _remove_all_but(root)
    return root


def _remove_all_but(root: Path) -> None:
    """Remove the engine roots of earlier releases; no daemon of this home runs now."""
    if shared_store.is_shared():
        return  # those of other homes do
    for folder in root.parent.iterdir():
        if folder != root:
            shutil.rmtree(folder, ignore_errors=True)


def _check_room(root: Path) -> None:
    free = free_space(root)
    if free < ROOM_NEEDED:
        raise DiskFull(
            f"Only {free / 1e6:.0f} MB are free in {paths.store()}.",
            f"Docker {VERSION} needs {ROOM_NEEDED / 1e6:.0f} MB while it is unpacked.",
            f"Free some space, or choose another disk:  {LARGER_DISK}",
        )


def _fill(part: Path, say: Say) -> None:
    if found := published():
        try:
            say(f"downloading Docker {VERSION} from {found.url} ({found.size / 1e6:.0f} MB)")
            root_archive.fetch(found, part)
            return
        except InstallFailed as error:
            if not debian_archive.can_extract():
                raise
            say(f"{error.what} {error.why} Taking Debian's packages instead.")
            shutil.rmtree(part)
            part.mkdir()
    make(part, say)


def make(tree: Path, say: Say) -> None:
    """Fill the empty folder tree from Debian's packages. Raises InstallFailed."""
    with tempfile.TemporaryDirectory(prefix="packages-", dir=tree.parent) as scratch:
        say(f"downloading Docker {VERSION} from Debian {SUITE} (160 MB)")
        packages = _download(Path(scratch), say)
        say(f"unpacking {len(packages)} packages (550 MB)")
        debian_archive.unpack(packages, tree, _TABLE["left_out"])
    _link(tree)


def _download(scratch: Path, say: Say) -> list[Path]:
    """Download the packages: from the suite, or as it was when it had this version."""
    log = paths.logs() / "engine-root.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _download_from(debian_archive.mirror(), scratch / "suite", log)
    except InstallFailed as error:
        if "was not found" not in log.read_text():
            raise
        say(f"Debian {SUITE} has gone on; taking Docker {VERSION} from {SNAPSHOT}")
        try:
            return _download_from(SNAPSHOT, scratch / "snapshot", log)
        except InstallFailed:
            raise InstallFailed(
                error.what,
                f"Debian {SUITE} has another version, and {SNAPSHOT} does not answer.",
                "Fetch a newer release of the course, or use your own Docker:  "
                "python3 -m dockyard learn --engine local",
            ) from None


def _download_from(archive: str, scratch: Path, log: Path) -> list[Path]:
    with log.open("wb") as out:

        def run(words: list[str]) -> None:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "LC_ALL": "C"},
                check=False,
            )
            if done.returncode != 0:
                raise InstallFailed(
                    f"Docker {VERSION} of Debian {SUITE} could not be downloaded.",
                    debian_archive.complaint(log),
                    f"Check the network and the free disk space (log: {log}), then:  {AGAIN}",
                )

        return debian_archive.download(
            run, scratch, SUITE, PACKAGES, archive=archive, assumed=_TABLE["assumed"]
        )


def _link(tree: Path) -> None:
    """Write the launchers, and the links that packages make when they are installed."""
    loader = _loader(tree)
    libraries = loader.parent.relative_to(tree)
    # Where Arch Linux has the loader, which programs name by a path in /lib64.
    (tree / "usr/lib" / loader.name).symlink_to(loader.relative_to(tree / "usr/lib"))
    (tree / NO_CACHE).touch()
    (tree / "usr/bin/awk").symlink_to("mawk")
    for name in ("mount", "su", "umount"):
        (tree / "usr/bin" / name).chmod(0o755)  # not set-user-id
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            (tree / f"usr/sbin/{family}{suffix}").symlink_to("xtables-nft-multi")
    (tree / "bin").mkdir()
    for name in LAUNCHED:
        file = tree / "bin" / Path(name).name
        file.write_text(
            LAUNCHER.format(
                name=name,
                root='"${0%/*}/.."',
                libraries=libraries,
                loader=loader.relative_to(tree),
            )
        )
        file.chmod(0o755)


def _loader(root: Path) -> Path:
    """The dynamic loader of an engine root, beside the libraries."""
    return next((root / "usr/lib").glob("*-linux-gnu*/ld-linux*.so.*"))


def launcher(program: str) -> str:
    """The text of a script for any folder that runs one of LAUNCHED, given without its folder."""
    root = folder()
    return LAUNCHER.format(
        name=next(name for name in LAUNCHED if Path(name).name == program),
        root=shlex.quote(str(root)),
        libraries=_loader(root).parent.relative_to(root),
        loader=_loader(root).relative_to(root),
    )


def outside(name: str, root: Path | None = None) -> list[str]:
    """The beginning of a command that starts ``usr/NAME`` as a launcher does, without a shell."""
    root = root or folder()
    loader = _loader(root)
    return [str(loader), "--library-path", str(loader.parent), str(root / "usr" / name)]


def over_usr(root: Path, fuse: str = "") -> str:
    """The shell code of OVER_USR; fuse names a program that mounts without the kernel's overlay."""
    mount = outside("bin/mount", root)
    overlay = outside(f"bin/{fuse}", root) if fuse else [*mount, "-t", "overlay", "overlay"]
    return OVER_USR.format(
        mount=shlex.join(mount),
        cache=shlex.quote(str(root / NO_CACHE)),
        overlay=shlex.join(overlay),
        path=PATH,
    )


def command(
    root: Path, *words: str | Path, options: Sequence[str] = (), before: str = ""
) -> list[str | Path]:
    """A command in a new mount namespace with the ``usr`` of a folder over /usr; needs root.

    root is an engine root, or has other programs. options are further ones of unshare(1), before
    is shell code. Mounts that the host makes later appear in the namespace, but not the reverse.
    """
    own = root if (root / "bin/unshare").exists() else folder()
    script = f'{over_usr(own)}{before}mount --make-rshared /\nexec "$@"\n'
    unshare = [str(own / "bin/unshare"), "--mount", "--propagation=slave", *options]
    return [*unshare, "sh", "-ec", script, root, *words]


def rootlesskit() -> Path:
    """The program that enters user namespaces.

    It starts itself again as /proc/self/exe, so it cannot be started by a launcher. It needs a C
    library of 2021, unlike other programs.
    """
    return folder() / "usr/bin/rootlesskit"


def in_user_namespace(*words: str) -> list[str]:
    """A command like that of command() for another user than root, who becomes root in it.

    Needs newuidmap(1) and subordinate ids.
    """
    script = f'{over_usr(folder())}exec "$@"\n'
    return [str(rootlesskit()), "--pidns", "sh", "-ec", script, str(folder()), *words]
