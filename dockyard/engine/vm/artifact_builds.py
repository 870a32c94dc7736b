"""How each artefact of the machine engine is made: programs, packages, sources and commands.

image.py keeps what is made here.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dockyard.core import paths, wait
from dockyard.engine import debian_archive, system_packages
from dockyard.engine.discovery import architecture
from dockyard.engine.vm import kernel, root_image
from dockyard.exceptions import DiskFull, InstallFailed

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
ARCHIVE = {str(debian_archive.KEYRING): "debian-archive-keyring"}
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

SOURCES = {
    "network": ("network.c",),
    "guest": ("guest.c", "clock.c", "ports.c", "runtime.c", "guest.h"),
}
"""In guest/; headers too, for the name tells what an artefact was made from."""


def lacking(name: str) -> set[str]:
    """The Debian packages that making an artefact would need and this system lacks."""
    absent = set(system_packages.missing(PROGRAMS[name]))
    return absent | {package for file, package in FILES[name].items() if not Path(file).exists()}


def inputs(name: str) -> Iterator[bytes]:
    """What decides about an artefact's content, apart from the packages' versions."""
    yield architecture().encode()
    if name in kernel.FLAVOURS:
        yield kernel.SERIES.encode()
        yield kernel.FLAVOURS[name].config().encode()
    elif name == "root.ext4":
        yield Path(root_image.__file__).read_bytes()
    else:
        for source in SOURCES[name]:
            yield (GUEST / source).read_bytes()


def check_room(folder: Path) -> None:
    """Raises DiskFull when a build in folder could not end."""
    free = shutil.disk_usage(folder).free
    if free < ROOM_TO_BUILD:
        raise DiskFull(
            f"Only {free / 1e9:.1f} GB are free in {folder}.",
            f"Building the machine needs {ROOM_TO_BUILD / 1e9:.1f} GB for a while.",
            "Free some space, or choose another disk:  "
            "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn --engine machine",
        )


def build(name: str, target: Path) -> None:
    """Build one artefact to target, wherever that is. Raises InstallFailed."""
    work = target.with_suffix(".work")
    run_for = functools.partial(run, making=name)
    if name in kernel.FLAVOURS:
        kernel.FLAVOURS[name].build(target, work, run_for)
    elif name == "root.ext4":
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            root_image.build(target, work, debian_archive.mirror(), architecture(), run_for)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    else:
        sources = [GUEST / source for source in SOURCES[name] if source.endswith(".c")]
        # The guest's is static: the root image may have another C library than this host.
        how = ["-static"] if name == "guest" else ["-lslirp"]
        run_for(["gcc", "-O2", "-o", target, *sources, *how])


def log() -> Path:
    """Where the output of builds goes."""
    return paths.logs() / "machine-build.log"


def run(
    command: Iterable[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    making: str = "",
) -> None:
    """Run one command of a build, output to the build's log.

    making is the artefact it is for. Raises InstallFailed.
    """
    words = [str(word) for word in command]
    log().parent.mkdir(parents=True, exist_ok=True)
    with log().open("ab") as output:
        output.write(f"$ {' '.join(words)}\n".encode())
        output.flush()
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env={**os.environ, "PATH": system_packages.SEARCH, "LC_ALL": "C", **(env or {})},
                check=False,
            )
        except FileNotFoundError:
            raise _failed(words[0], making, f"The program {words[0]} is missing.") from None
    if done.returncode != 0:
        raise _failed(words[0], making, wait.tail(log(), 6))


def _failed(program: str, making: str, why: str) -> InstallFailed:
    absent = sorted(lacking(making)) if making else []
    next = f"Ask an administrator to run:  sudo apt-get install {' '.join(absent)}"
    return InstallFailed(
        f"The machine could not be built: {program} failed.",
        why,
        next if absent else f"Read {log()}, then run this again.",
    )
