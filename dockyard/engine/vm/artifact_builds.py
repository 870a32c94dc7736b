"""How each artifact of the machine engine is built from the distribution's packages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard.engine import debian_archive, system_packages
from dockyard.engine.base import LARGER_DISK
from dockyard.engine.vm import kernel, root_image
from dockyard.engine.vm.build_log import run
from dockyard.exceptions import DiskFull, InstallFailed

GUEST = kernel.GUEST

ROOM_TO_BUILD = 4 * 1024**3
"""Free bytes: the unpacked kernel source takes 1.8 GB, the root image's stages 1.4 GB."""


@dataclass(frozen=True)
class Recipe:
    """How one artifact is built, and what for."""

    title: str
    needs: Mapping[str, str]
    """The package of each program, or of each file when the key is a path."""

    inputs: Callable[[], Iterable[bytes]]
    """What determines the artifact's content, apart from the versions of packages."""

    build: Callable[[Path, Path], None]
    """Builds to a target; the second argument is an empty folder for intermediate files."""

    def missing_packages(self) -> set[str]:
        """The packages that a build needs and this system lacks."""
        return {
            package
            for need, package in self.needs.items()
            if not (Path(need).exists() if need.startswith("/") else system_packages.which(need))
        }


def _program(title: str, sources: list[Path], option: str, needs: Mapping[str, str]) -> Recipe:
    compiled = [source for source in sources if source.suffix == ".c"]
    return Recipe(
        title,
        {**COMPILER, **needs},
        lambda: [source.read_bytes() for source in sources],
        lambda target, work: run(["gcc", "-O2", "-o", target, *compiled, option]),
    )


def _kernel(title: str, flavor: kernel.Flavor, needs: Mapping[str, str]) -> Recipe:
    return Recipe(
        title,
        {**COMPILER, **ARCHIVE, **UNPACK, **kernel.PROGRAMS, **needs},
        lambda: [kernel.SERIES.encode(), "\n".join(flavor.asked()).encode()],
        flavor.build,
    )


COMPILER = {"gcc": "gcc", "/usr/include/stdio.h": "libc6-dev"}
ARCHIVE = {str(debian_archive.KEYRING): "debian-archive-keyring"}
UNPACK = {"apt-get": "apt", "dpkg-deb": "dpkg"}
NETWORK = GUEST / "network.c"

RECIPES = {
    "linux": _kernel("the kernel, about 8 CPU minutes", kernel.FLAVORS["linux"], {}),
    "vmlinux": _kernel(
        "the kernel for QEMU, about 12 CPU minutes",
        kernel.FLAVORS["vmlinux"],
        # objtool, the kernel's checker of object files, needs it.
        {"/usr/include/libelf.h": "libelf-dev"},
    ),
    "network": _program(
        "the network helper",
        [NETWORK],
        "-lslirp",
        {"/usr/include/slirp/libslirp.h": "libslirp-dev"},
    ),
    # Static, because the root image may have another C library than this host.
    "guest": _program(
        "the guest's helper", sorted({*GUEST.glob("*.[ch]")} - {NETWORK}), "-static", {}
    ),
    "root.ext4": Recipe(
        "the root image, about half a minute",
        {**ARCHIVE, **UNPACK, "tar": "tar"},
        root_image.inputs,
        root_image.build,
    ),
}


def check_room(folder: Path) -> None:
    """Raises DiskFull when folder has too little room for a build."""
    free = shutil.disk_usage(folder).free
    if free < ROOM_TO_BUILD:
        raise DiskFull(
            f"Only {free / 1e9:.1f} GB are free in {folder}.",
            f"Building the machine temporarily needs {ROOM_TO_BUILD / 1e9:.1f} GB.",
            f"Free some space, or choose another disk:  {LARGER_DISK} --engine machine",
        )


def build(name: str, target: Path) -> None:
    """Build one artifact to target. Raises InstallFailed, which names missing packages."""
    recipe = RECIPES[name]
    work = target.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        recipe.build(target, work)
    except InstallFailed as error:
        if absent := recipe.missing_packages():
            install = f"sudo apt-get install {' '.join(sorted(absent))}"
            error.next = f"Ask an administrator to run:  {install}"
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
