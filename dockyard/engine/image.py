"""What the machine engine boots: a kernel, a read-only root image and two small programs.

Each is made from the distribution's packages without privileges, and kept in the home under a
name that tells what it was made from. Published artefacts are used instead where their digest
is known (published.py).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard import paths, wait
from dockyard.engine import debian, kernel, packages, published, rootfs
from dockyard.engine.base import Say
from dockyard.engine.discovery import architecture
from dockyard.exceptions import DiskFull, DockyardError, InstallFailed
from dockyard.process import Lock

GUEST = kernel.GUEST

COMPILER = {"gcc": "gcc"}
PROGRAMS = {
    "network": COMPILER,
    "guest": COMPILER,
    "linux": {**COMPILER, **kernel.PROGRAMS, "apt-get": "apt"},
    "vmlinux": {**COMPILER, **kernel.PROGRAMS, "apt-get": "apt"},
    "root.ext4": {"mmdebstrap": "mmdebstrap", "fakeroot": "fakeroot", "tar": "tar"},
}
"""To build each artefact: programs and their packages."""

LIBC = {"/usr/include/stdio.h": "libc6-dev"}
ARCHIVE = {str(debian.KEYRING): "debian-archive-keyring"}
FILES = {
    "network": {**LIBC, "/usr/include/slirp/libslirp.h": "libslirp-dev"},
    "guest": LIBC,
    "linux": {**LIBC, **ARCHIVE},
    # The kernel's own checker of object files reads them with this library.
    "vmlinux": {**LIBC, **ARCHIVE, "/usr/include/libelf.h": "libelf-dev"},
    "root.ext4": ARCHIVE,
}
"""The same for files that are no programs."""

TITLES = {
    "network": "the network helper",
    "guest": "the guest's helper",
    "linux": "the kernel, about 8 CPU minutes",
    "vmlinux": "the kernel for QEMU, about 12 CPU minutes",
    "root.ext4": "the root image, about a minute",
}

ROOM_TO_BUILD = 4 * 1024**3
"""Free bytes: the unpacked kernel source takes 1.8 GB, the image's stages 1.4 GB."""


@dataclass(frozen=True)
class Artefacts:
    """The files a machine is started from."""

    kernel: Path
    network: Path
    guest: Path
    root: Path


def folder() -> Path:
    """Where the artefacts of this home are kept."""
    return paths.home() / "machine"


def missing_packages(kernel_name: str = "linux") -> list[str]:
    """The Debian packages that making what is not there yet would need."""
    absent: set[str] = set()
    ready = published.table()
    for name in (kernel_name, "network", "guest", "root.ext4"):
        made = place(name)
        if complete(made):
            continue
        if made.name in ready:
            absent |= set(packages.missing({"zstd": "zstd"}))
            continue
        absent |= set(packages.missing(PROGRAMS[name]))
        absent |= {package for file, package in FILES[name].items() if not Path(file).exists()}
    return sorted(absent)


def prepare(say: Say, kernel_name: str = "linux") -> Artefacts:
    """Find, fetch or build all artefacts. Two calls at once build once.

    kernel_name is ``linux`` or ``vmlinux``. Raises InstallFailed with the last lines of the
    log, or DiskFull.
    """
    with Lock("machine-image", timeout=3600):
        return Artefacts(
            kernel=_made(kernel_name, say),
            network=_made("network", say),
            guest=_made("guest", say),
            root=_made("root.ext4", say),
        )


def _inputs(name: str) -> Iterable[bytes]:
    """What decides about an artefact's content, apart from the packages' versions."""
    yield architecture().encode()
    if name in kernel.FLAVOURS:
        yield kernel.SERIES.encode()
        yield kernel.FLAVOURS[name].config().encode()
    elif name == "root.ext4":
        yield Path(rootfs.__file__).read_bytes()
    else:
        yield (GUEST / f"{name}.c").read_bytes()


def place(name: str) -> Path:
    """Where an artefact of that name is, or would be."""
    token = hashlib.sha256(b"\0".join(_inputs(name))).hexdigest()[:12]
    return folder() / f"{token}-{name}"


def _made(name: str, say: Say) -> Path:
    made = place(name)
    if complete(made):
        return made
    folder().mkdir(parents=True, exist_ok=True)
    half = made.with_suffix(made.suffix + ".part")
    try:
        if not published.fetch(made.name, half, say, run):
            say(f"building {TITLES[name]} (once; log: {_log()})")
            _check_room()
            build(name, half)
        _size_note(made).write_text(str(half.stat().st_size))
        half.replace(made)
    finally:
        half.unlink(missing_ok=True)
    return made


def _size_note(made: Path) -> Path:
    return made.with_suffix(made.suffix + ".size")


def complete(made: Path) -> bool:
    """Whether an artefact is there with the size it was made with.

    A full disk or an interrupted copy truncates; reading it all for its digest would take a
    second at every start.
    """
    try:
        return made.stat().st_size == int(_size_note(made).read_text())
    except (OSError, ValueError):
        return False


def _check_room() -> None:
    free = shutil.disk_usage(folder()).free
    if free < ROOM_TO_BUILD:
        raise DiskFull(
            f"Only {free / 1e9:.1f} GB are free in {folder()}.",
            f"Building the machine needs {ROOM_TO_BUILD / 1e9:.1f} GB for a while.",
            "Free some space, or choose another disk:  "
            "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn --engine machine",
        )


def build(name: str, target: Path) -> None:
    """Build one artefact to target, wherever that is. Raises InstallFailed."""
    work = target.with_suffix(".work")
    match name:
        case "network":
            run(["gcc", "-O2", "-o", target, GUEST / "network.c", "-lslirp"])
        case "guest":
            # Static: the root image may have another C library than this host.
            run(["gcc", "-O2", "-static", "-o", target, GUEST / "guest.c"])
        case "root.ext4":
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            try:
                rootfs.build(target, work, debian.mirror(), architecture(), run)
            finally:
                shutil.rmtree(work, ignore_errors=True)
        case _:
            kernel.FLAVOURS[name].build(target, work, run)


def _log() -> Path:
    return paths.logs() / "machine-build.log"


def run(
    command: Iterable[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run one command of a build, output to the build's log. Raises InstallFailed."""
    words = [str(word) for word in command]
    _log().parent.mkdir(parents=True, exist_ok=True)
    with _log().open("ab") as log:
        log.write(f"$ {' '.join(words)}\n".encode())
        log.flush()
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=cwd,
                env={**os.environ, "PATH": packages.SEARCH, "LC_ALL": "C", **(env or {})},
                check=False,
            )
        except FileNotFoundError:
            raise _failed(words[0], f"The program {words[0]} is missing.") from None
    if done.returncode != 0:
        raise _failed(words[0], wait.tail(_log(), 6))


def _failed(program: str, why: str) -> InstallFailed:
    absent = missing_packages()
    next = f"Ask an administrator to run:  sudo apt-get install {' '.join(absent)}"
    return InstallFailed(
        f"The machine could not be built: {program} failed.",
        why,
        next if absent else f"Read {_log()}, then run this again.",
    )


def make_data_disk(target: Path, size: int) -> None:
    """Make an empty ext4 file system of size bytes in a sparse file."""
    half = target.with_suffix(".part")
    with half.open("wb") as disk:
        disk.truncate(size)
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E", "nodiscard", half])
    half.replace(target)


def differing(kernels: Iterable[str]) -> list[str]:
    """Build everything once more, elsewhere; the names of what does not come out the same.

    Debian may have newer packages than those the artefacts were made of: then they differ.
    """
    names = [*kernels, "network", "guest", "root.ext4"]
    again = folder() / "again"
    different = []
    try:
        for name in names:
            again.mkdir(parents=True, exist_ok=True)
            build(name, again / name)
            if published.digest(again / name) != published.digest(place(name)):
                different.append(name)
            (again / name).unlink()
    finally:
        shutil.rmtree(again, ignore_errors=True)
    return different


def main() -> int:
    """Make everything now: for the image of a Binder launch, and for a release."""
    parser = argparse.ArgumentParser(prog="python3 -m dockyard.engine.image", description=__doc__)
    parser.add_argument("--all", action="store_true", help="the kernel for QEMU too")
    parser.add_argument("--again", action="store_true", help="build all twice and compare")
    parser.add_argument("--publish", type=Path, metavar="FOLDER", help="write them for a release")
    parser.add_argument("--url", default="", help="where the release will have them")
    options = parser.parse_args()
    kernels = list(kernel.FLAVOURS) if options.all or options.publish else ["linux"]
    try:
        made = {file: None for name in kernels for file in vars(prepare(print, name)).values()}
        if options.again and (different := differing(kernels)):
            print(f"not the same when made again: {' '.join(different)}", file=sys.stderr)
            return 1
        if options.publish:
            published.write(made, options.publish, options.url, run)
        for artefact in made:
            print(f"{published.digest(artefact)}  {artefact}")
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
