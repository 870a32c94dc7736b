"""What the machine engine boots: a kernel, a read-only root image and two small programs.

Each is made from the distribution's packages without privileges (build.py), and kept in the home
under a name that tells what it was made from. Published artefacts are used instead where their
digest is known (published.py).
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.engine import system_packages
from dockyard.engine.vm import downloads, kernel
from dockyard.engine.vm.artifact_builds import TITLES, build, check_room, inputs, lacking, log, run
from dockyard.exceptions import DockyardError


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
    ready = downloads.table()
    for name in (kernel_name, "network", "guest", "root.ext4"):
        made = place(name)
        if complete(made):
            continue
        if made.name in ready:
            absent |= set(system_packages.missing({"zstd": "zstd"}))
            continue
        absent |= lacking(name)
    return sorted(absent)


def prepare(say: Say, kernel_name: str = "linux") -> Artefacts:
    """Find, fetch or build all artefacts. Two calls at once build once.

    kernel_name is ``linux`` or ``vmlinux``. Raises InstallFailed with the last lines of the
    log, or DiskFull.
    """
    with Lock("machine-image", timeout=3600):
        made = Artefacts(
            kernel=_made(kernel_name, say),
            network=_made("network", say),
            guest=_made("guest", say),
            root=_made("root.ext4", say),
        )
        for artefact in vars(made).values():
            _forget_earlier(artefact)
    return made


def place(name: str) -> Path:
    """Where an artefact of that name is, or would be."""
    token = hashlib.sha256(b"\0".join(inputs(name))).hexdigest()[:12]
    return folder() / f"{token}-{name}"


def _made(name: str, say: Say) -> Path:
    made = place(name)
    if complete(made):
        return made
    folder().mkdir(parents=True, exist_ok=True)
    half = made.with_suffix(made.suffix + ".part")
    try:
        if not downloads.fetch(made.name, half, say, run):
            say(f"building {TITLES[name]} (once; log: {log()})")
            check_room(folder())
            build(name, half)
        _size_note(made).write_text(str(half.stat().st_size))
        half.replace(made)
    finally:
        half.unlink(missing_ok=True)
    return made


def _forget_earlier(made: Path) -> None:
    """Remove what earlier editions of the course made; what a machine has open stays with it."""
    _, _, name = made.name.partition("-")
    for file in folder().glob(f"*-{name}*"):
        if not file.name.startswith(made.name):
            file.unlink()


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
            if downloads.digest(again / name) != downloads.digest(place(name)):
                different.append(name)
            (again / name).unlink()
    finally:
        shutil.rmtree(again, ignore_errors=True)
    return different


def main() -> int:
    """Make everything now: for the image of a Binder launch, and for a release."""
    parser = argparse.ArgumentParser(
        prog="python3 -m dockyard.engine.vm.artifacts", description=__doc__
    )
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
            downloads.write(made, options.publish, options.url, run)
        for artefact in made:
            print(f"{downloads.digest(artefact)}  {artefact}")
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
