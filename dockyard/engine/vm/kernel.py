"""The machine's kernels, built from Debian's source with small configurations of the course's own.

``linux`` is an ordinary program (User-Mode Linux), ``vmlinux`` boots in QEMU.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dockyard.engine import debian_archive
from dockyard.engine.vm import resources
from dockyard.exceptions import InstallFailed

GUEST = Path(__file__).with_name("guest")

SERIES = "7.2"
"""Seccomp mode came with 6.16 and more than one CPU with 6.18; Debian keeps this series."""

SUITES = ("trixie-backports", "sid")

PROGRAMS = {
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
    "dpkg-deb": "dpkg",
}

REPRODUCIBLE = {
    # Same source, same file: no host name, user or time in it.
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "dockyard",
    "KBUILD_BUILD_HOST": "dockyard",
    "KBUILD_BUILD_VERSION": "1",
}


@dataclass(frozen=True)
class Flavour:
    """One kernel: the architecture and target of its build, and the file of its own options."""

    arch: str
    target: str
    options: str

    def config(self) -> str:
        """All options asked for."""
        files = (GUEST / "kernel.config", GUEST / self.options)
        return "".join(file.read_text() for file in files)

    def check(self, resolved: str) -> None:
        """Compare a resolved .config with what is asked for.

        Kconfig drops an option silently when something it depends on is off. Raises
        InstallFailed.
        """
        have = set(resolved.splitlines())
        asked = [line for line in self.config().splitlines() if line[:1] == "C"]
        off = [line for line in asked if line not in have and not line.endswith("=n")]
        if off:
            raise InstallFailed(
                "The kernel's configuration lost options that it asks for.",
                " ".join(off),
                f"Name what they depend on in dockyard/engine/vm/guest/{self.options}.",
            )

    def build(self, target: Path, work: Path, run: Callable[..., None]) -> None:
        """Build the kernel to target in the folder work, which is removed at the end.

        run executes one command and raises when it fails.
        """
        shutil.rmtree(work, ignore_errors=True)
        try:
            archive = download_source(work, run)
            source, built = work / "source", work / "built"
            for made in (source, built):
                made.mkdir()
            unpack = ["tar", "--extract", "--file", archive, "--directory", source]
            run([*unpack, "--strip-components=1"])
            asked = work / "asked.config"
            asked.write_text(self.config())
            make = ["make", "--silent", f"ARCH={self.arch}", f"O={built}"]
            env = {"KCONFIG_ALLCONFIG": str(asked), **REPRODUCIBLE}
            run([*make, "allnoconfig"], env=env, cwd=source)
            self.check((built / ".config").read_text())
            # A compiler takes up to 300 MB; Binder's build has 2 GB, and often many processors.
            jobs = max(
                1, min(len(os.sched_getaffinity(0)), resources.memory() // (512 * resources.MiB))
            )
            run(["nice", *make, f"--jobs={jobs}", self.target], env=env, cwd=source)
            run(["strip", "-o", target, built / self.target])
            target.chmod(0o755)
        finally:
            shutil.rmtree(work, ignore_errors=True)


FLAVOURS = {
    "linux": Flavour("um", "linux", "uml.config"),
    "vmlinux": Flavour("x86_64", "vmlinux", "pc.config"),
}


def download_source(work: Path, run: Callable[..., None]) -> Path:
    """Download the newest source of the series without touching this system's apt."""
    apt = debian_archive.private_apt(work, SUITES)
    run([*apt, "update"])
    run([*apt, "download", f"linux-source-{SERIES}"], cwd=work)
    (package,) = work.glob("linux-source-*.deb")
    run(["dpkg-deb", "--extract", package, work / "package"])
    (archive,) = (work / "package/usr/src").glob("linux-source-*.tar.xz")
    return archive
