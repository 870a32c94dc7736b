"""What the machine engine starts from: a kernel, a read-only root image and two small programs.

They are kept in the store, each under a name derived from what it is made from. They are downloaded
where a release offers them (downloads.py), and else built without privileges (artifact_builds.py).
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dockyard.core import download, ext4_file, paths, shared_store
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.engine import engine_root, system_packages
from dockyard.engine.discovery import architecture
from dockyard.engine.vm import build_log, downloads, kernel
from dockyard.engine.vm.artifact_builds import RECIPES, build, check_room
from dockyard.exceptions import DockyardError

OTHERS = ("network", "guest", "root.ext4")
"""The artifacts that every kernel needs."""


@dataclass(frozen=True)
class Artifacts:
    """The files a machine is started from."""

    kernel: Path
    network: Path
    guest: Path
    root: Path


def folder() -> Path:
    """Where the artifacts are kept."""
    return paths.store() / "machine"


def place(name: str) -> Path:
    """Where an artifact of that name is, or would be."""
    inputs = b"\0".join([architecture().encode(), *RECIPES[name].inputs()])
    return folder() / f"{hashlib.sha256(inputs).hexdigest()[:12]}-{name}"


def missing_packages(kernel_name: str = "linux") -> list[str]:
    """The Debian packages needed to make the artifacts that are not there yet."""
    absent: set[str] = set()
    published = downloads.table()
    for name in (kernel_name, *OTHERS):
        artifact = place(name)
        if complete(artifact):
            continue
        if artifact.name in published:
            absent |= set(system_packages.missing({"zstd": "zstd"}))
        else:
            absent |= RECIPES[name].missing_packages()
    return sorted(absent)


def prepare(say: Say, kernel_name: str = "linux") -> Artifacts:
    """Find, download or build all artifacts, and remove those of earlier versions of the course.

    kernel_name is ``linux`` or ``vmlinux``. Two calls at once build once. Raises InstallFailed
    with the last lines of the log, or DiskFull.
    """
    with Lock("machine-image", timeout=3600):
        made = [_prepare(name, say) for name in (kernel_name, *OTHERS)]
        for artifact in made:
            _remove_earlier(artifact)
    return Artifacts(*made)


def _prepare(name: str, say: Say) -> Path:
    artifact = place(name)
    if complete(artifact):
        return artifact
    shared_store.require_writable(RECIPES[name].title)
    folder().mkdir(parents=True, exist_ok=True)
    half = artifact.with_suffix(artifact.suffix + ".part")
    try:
        if not downloads.fetch(artifact.name, half, say):
            say(f"building {RECIPES[name].title} (once; log: {build_log.path()})")
            check_room(folder())
            build(name, half)
        _size_note(artifact).write_text(str(half.stat().st_size))
        half.replace(artifact)
    finally:
        half.unlink(missing_ok=True)
    return artifact


def _remove_earlier(artifact: Path) -> None:
    """Remove earlier files of that name. A running machine keeps what it has open."""
    if shared_store.is_shared():
        return  # other homes may be about to start a machine from them
    _, _, name = artifact.name.partition("-")
    for file in folder().glob(f"*-{name}*"):
        if not file.name.startswith(artifact.name):
            file.unlink()


def _size_note(artifact: Path) -> Path:
    return artifact.with_suffix(artifact.suffix + ".size")


def complete(artifact: Path) -> bool:
    """Whether an artifact exists with the size that was noted when it was made.

    A full disk or an interrupted copy truncates it. A digest would take a second at every start.
    """
    try:
        return artifact.stat().st_size == int(_size_note(artifact).read_text())
    except (OSError, ValueError):
        return False


def make_data_disk(target: Path, size: int) -> None:
    """Make an empty ext4 file system of size bytes in a sparse file."""
    ext4_file.make(target, size, build_log.run)


def differing(kernels: Iterable[str]) -> list[str]:
    """Build everything again in another folder; returns the names of artifacts that differ.

    They also differ when Debian has released newer packages meanwhile.
    """
    again = folder() / "again"
    different = []
    try:
        for name in (*kernels, *OTHERS):
            again.mkdir(parents=True, exist_ok=True)
            build(name, again / name)
            if download.sha256_of(again / name) != download.sha256_of(place(name)):
                different.append(name)
            (again / name).unlink()
    finally:
        shutil.rmtree(again, ignore_errors=True)
    return different


def main() -> int:
    """Make all artifacts now, for a release or the image of a Binder launch; fetch the client."""
    parser = argparse.ArgumentParser(
        prog="python3 -m dockyard.engine.vm.artifacts", description=__doc__
    )
    parser.add_argument("--all", action="store_true", help="the kernel for QEMU too")
    parser.add_argument("--again", action="store_true", help="build all twice and compare")
    parser.add_argument("--publish", type=Path, metavar="FOLDER", help="write them for a release")
    parser.add_argument("--url", default="", help="the folder of the release's files")
    options = parser.parse_args()
    kernels = list(kernel.FLAVORS) if options.all or options.publish else ["linux"]
    try:
        engine_root.fetch(print)
        made = {file: None for name in kernels for file in vars(prepare(print, name)).values()}
        if options.again and (different := differing(kernels)):
            print(f"not the same when built again: {' '.join(different)}", file=sys.stderr)
            return 1
        if options.publish:
            downloads.write(made, options.publish, options.url)
        for artifact in made:
            print(f"{download.sha256_of(artifact)}  {artifact}")
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
