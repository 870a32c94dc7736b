"""What the machine engine boots: a kernel, a read-only root image and two small programs.

Each is made from the distribution's packages without privileges, and kept in the home under a
name that tells what it was made from. Published artefacts are used instead where their digest
is known (guest/published.toml).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard import paths, wait
from dockyard.engine import debian, packages, rootfs
from dockyard.engine.base import Say
from dockyard.engine.discovery import architecture
from dockyard.exceptions import DiskFull, DockyardError, InstallFailed
from dockyard.process import Lock

GUEST = Path(__file__).with_name("guest")

KERNEL_SERIES = "7.2"
"""Seccomp mode came with 6.16 and more than one CPU with 6.18; Debian keeps this series."""

KERNEL_SUITES = ("trixie-backports", "sid")

PROGRAMS = {"gcc": "gcc", "apt-get": "apt"}
"""To compile the two small programs; libslirp-dev and libc6-dev are looked for apart."""

KERNEL_PROGRAMS = {
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
    "dpkg-deb": "dpkg",
}
IMAGE_PROGRAMS = {"mmdebstrap": "mmdebstrap", "fakeroot": "fakeroot", "tar": "tar"}

HEADERS = {"/usr/include/slirp/libslirp.h": "libslirp-dev", "/usr/include/stdio.h": "libc6-dev"}

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


def missing_packages() -> list[str]:
    """The Debian packages that building what is not there yet would need."""
    wanted: dict[str, str] = {}
    for name, programs in (
        ("network", PROGRAMS),
        ("linux", {**PROGRAMS, **KERNEL_PROGRAMS}),
        ("root.ext4", IMAGE_PROGRAMS),
    ):
        if not complete(_place(name)):
            wanted |= programs
    absent = set(packages.missing(wanted))
    if "gcc" in wanted:
        absent |= {package for header, package in HEADERS.items() if not Path(header).exists()}
    if "make" in wanted or "mmdebstrap" in wanted:
        absent |= set() if debian.KEYRING.exists() else {"debian-archive-keyring"}
    return sorted(absent)


def prepare(say: Say) -> Artefacts:
    """Find, fetch or build all artefacts. Two calls at once build once.

    Raises InstallFailed with the last lines of the log, or DiskFull.
    """
    with Lock("machine-image", timeout=3600):
        return Artefacts(
            kernel=_made("linux", _build_kernel, say, "the kernel, about 8 CPU minutes"),
            network=_made("network", _build_network, say, "the network helper"),
            guest=_made("guest", _build_guest, say, "the guest's helper"),
            root=_made("root.ext4", _build_root, say, "the root image, about a minute"),
        )


def _inputs(name: str) -> Iterable[bytes]:
    """What decides about an artefact's content, apart from the packages' versions."""
    yield architecture().encode()
    match name:
        case "linux":
            yield KERNEL_SERIES.encode()
            yield (GUEST / "kernel.config").read_bytes()
        case "root.ext4":
            yield Path(rootfs.__file__).read_bytes()
        case _:
            yield (GUEST / f"{name}.c").read_bytes()


def _place(name: str) -> Path:
    token = hashlib.sha256(b"\0".join(_inputs(name))).hexdigest()[:12]
    return folder() / f"{token}-{name}"


def _made(name: str, build: Callable[[Path], None], say: Say, title: str) -> Path:
    place = _place(name)
    if complete(place):
        return place
    folder().mkdir(parents=True, exist_ok=True)
    half = place.with_suffix(place.suffix + ".part")
    try:
        if not _fetched(place.name, half, say):
            say(f"building {title} (once; log: {_log()})")
            _check_room()
            build(half)
        _note_size(place, half.stat().st_size)
        half.replace(place)
    finally:
        half.unlink(missing_ok=True)
    return place


def _size_note(place: Path) -> Path:
    return place.with_suffix(place.suffix + ".size")


def _note_size(place: Path, size: int) -> None:
    _size_note(place).write_text(str(size))


def complete(place: Path) -> bool:
    """Whether an artefact is there with the size it was made with.

    A full disk or an interrupted copy truncates; reading it all for its digest would take a
    second at every start.
    """
    try:
        return place.stat().st_size == int(_size_note(place).read_text())
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


def published() -> dict[str, str]:
    """The SHA-256 of each published artefact by name; ``url`` says where they are."""
    table = tomllib.loads((GUEST / "published.toml").read_text())
    return {"url": table["url"], **table["sha256"]} if table["url"] else {}


def _fetched(name: str, target: Path, say: Say) -> bool:
    table = published()
    if name not in table:
        return False
    address = f"{table['url']}/{name}.zst"
    say(f"downloading {address}")
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            packed = target.with_suffix(".zst")
            with packed.open("wb") as file:
                shutil.copyfileobj(answer, file)
        _run(["zstd", "--decompress", "--force", "--rm", "-o", target, packed])
    except (OSError, InstallFailed) as error:
        say(f"not downloaded ({error}); it is built here instead")
        return False
    if digest(target) != table[name]:
        say("the download does not have the digest it should; it is built here instead")
        target.unlink()
        return False
    target.chmod(0o755)
    return True


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def publish(target: Path, url: str, say: Say) -> None:
    """Write the artefacts compressed, and the table of their digests, for a release at url."""
    target.mkdir(parents=True, exist_ok=True)
    lines = [f'url = "{url}"', "", "[sha256]"]
    for artefact in vars(prepare(say)).values():
        packed = target / f"{artefact.name}.zst"
        _run(["zstd", "-19", "--threads=0", "--force", "-o", packed, artefact])
        lines.append(f'"{artefact.name}" = "{digest(artefact)}"')
    (target / "published.toml").write_text("\n".join(lines) + "\n")


def _log() -> Path:
    return paths.logs() / "machine-build.log"


def _run(
    command: Iterable[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
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


def _build_network(target: Path) -> None:
    _run(["gcc", "-O2", "-o", target, GUEST / "network.c", "-lslirp"])


def _build_guest(target: Path) -> None:
    # Static: the root image may have another C library than this host.
    _run(["gcc", "-O2", "-static", "-o", target, GUEST / "guest.c"])


def _build_kernel(target: Path) -> None:
    work = folder() / "kernel"
    shutil.rmtree(work, ignore_errors=True)
    try:
        archive = _kernel_source(work)
        source, built = work / "source", work / "built"
        for made in (source, built):
            made.mkdir()
        _run(["tar", "--extract", "--file", archive, "--directory", source, "--strip-components=1"])
        make = ["make", "--silent", "ARCH=um", f"O={built}"]
        env = {
            "KCONFIG_ALLCONFIG": str(GUEST / "kernel.config"),
            # Same source, same file: no host name, user or time in it.
            "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
            "KBUILD_BUILD_USER": "dockyard",
            "KBUILD_BUILD_HOST": "dockyard",
            "KBUILD_BUILD_VERSION": "1",
        }
        _run([*make, "allnoconfig"], env=env, cwd=source)
        check_config((built / ".config").read_text())
        jobs = len(os.sched_getaffinity(0))
        _run(["nice", *make, f"--jobs={jobs}", "linux"], env=env, cwd=source)
        _run(["strip", "-o", target, built / "linux"])
        target.chmod(0o755)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_config(resolved: str) -> None:
    """Compare a resolved .config with what kernel.config asks for.

    Kconfig drops an option silently when something it depends on is off. Raises InstallFailed.
    """
    have = set(resolved.splitlines())
    asked = [line for line in (GUEST / "kernel.config").read_text().splitlines() if line[:1] == "C"]
    off = [line for line in asked if line not in have and not line.endswith("=n")]
    if off:
        raise InstallFailed(
            "The kernel's configuration lost options that it asks for.",
            " ".join(off),
            "Name what they depend on in dockyard/engine/guest/kernel.config.",
        )


def _kernel_source(work: Path) -> Path:
    """Download the newest source of the series without touching this system's apt."""
    apt = debian.private_apt(work, KERNEL_SUITES)
    _run([*apt, "update"])
    _run([*apt, "download", f"linux-source-{KERNEL_SERIES}"], cwd=work)
    (package,) = work.glob("linux-source-*.deb")
    _run(["dpkg-deb", "--extract", package, work / "package"])
    (archive,) = (work / "package/usr/src").glob("linux-source-*.tar.xz")
    return archive


def _build_root(target: Path) -> None:
    work = folder() / "root"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        rootfs.build(target, work, debian.mirror(), architecture(), _run)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def make_data_disk(target: Path, size: int) -> None:
    """Make an empty ext4 file system of size bytes in a sparse file."""
    half = target.with_suffix(".part")
    with half.open("wb") as disk:
        disk.truncate(size)
    _run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E", "nodiscard", half])
    half.replace(target)


def main() -> int:
    """Make everything now: for the image of a Binder launch, and for a release."""
    parser = argparse.ArgumentParser(prog="python3 -m dockyard.engine.image", description=__doc__)
    parser.add_argument("--publish", type=Path, metavar="FOLDER", help="write them for a release")
    parser.add_argument("--url", default="", help="where the release will have them")
    options = parser.parse_args()
    try:
        if options.publish:
            publish(options.publish, options.url, print)
        else:
            for artefact in vars(prepare(print)).values():
                print(f"{digest(artefact)}  {artefact}")
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
