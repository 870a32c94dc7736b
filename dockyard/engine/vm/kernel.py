"""Builds the machine's kernels from Debian's kernel source with the course's small configurations.

``linux`` is an ordinary program (User-Mode Linux), ``vmlinux`` boots in QEMU.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dockyard.engine import debian_archive
from dockyard.engine.vm import resources
from dockyard.engine.vm.build_log import run
from dockyard.exceptions import InstallFailed

GUEST = Path(__file__).with_name("guest")

SERIES = "7.2"
"""User-Mode Linux has its seccomp mode since 6.16, and Debian maintains this series."""

SUITES = ("trixie-backports", "sid")

PROGRAMS = {
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
}

REPRODUCIBLE = {
    # The same source gives the same file: no host name, user or time in it.
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "dockyard",
    "KBUILD_BUILD_HOST": "dockyard",
    "KBUILD_BUILD_VERSION": "1",
}

COMPILER_MEMORY = 512 * resources.MiB
"""A compiler takes up to 300 MB; Binder's build has 2 GB, and often many processors."""


@dataclass(frozen=True)
class Flavor:
    """One kernel: the architecture and target of its build, and the file of its own options."""

    arch: str
    target: str
    options: str

    def config(self) -> str:
        """All options asked for, with their comments."""
        files = (GUEST / "kernel.config", GUEST / self.options)
        return "".join(file.read_text() for file in files)

    def asked(self) -> list[str]:
        """The options asked for, without comments."""
        return [line for line in self.config().splitlines() if line.startswith("CONFIG_")]

    def check(self, resolved: str) -> None:
        """Compare a resolved .config with the options asked for.

        Kconfig silently drops an option when one that it depends on is off. Raises InstallFailed.
        """
        have = set(resolved.splitlines())
        lost = [line for line in self.asked() if line not in have and not line.endswith("=n")]
        if lost:
            raise InstallFailed(
                "The kernel's configuration lost options that it asks for.",
                " ".join(lost),
                f"Add what they depend on to dockyard/engine/vm/guest/{self.options}.",
            )

    def build(self, target: Path, work: Path) -> None:
        """Build the kernel to target; work is an empty folder for intermediate files.

        Raises InstallFailed.
        """
        archive = download_source(work)
        source, built = work / "source", work / "built"
        for made in (source, built):
            made.mkdir()
        run(["tar", "--extract", "--strip-components=1", "-f", archive, "-C", source])
        asked = work / "asked.config"
        asked.write_text(self.config())
        make = ["make", "--silent", f"ARCH={self.arch}", f"O={built}"]
        env = {"KCONFIG_ALLCONFIG": str(asked), **REPRODUCIBLE}
        run([*make, "allnoconfig"], env=env, cwd=source)
        self.check((built / ".config").read_text())
        jobs = min(len(os.sched_getaffinity(0)), resources.memory() // COMPILER_MEMORY)
        run(["nice", *make, f"--jobs={max(jobs, 1)}", self.target], env=env, cwd=source)
        run(["strip", "-o", target, built / self.target])
        target.chmod(0o755)


FLAVORS = {
    "linux": Flavor("um", "linux", "uml.config"),
    "vmlinux": Flavor("x86_64", "vmlinux", "pc.config"),
}


def download_source(work: Path) -> Path:
    """Download the newest source of the series without touching this system's apt."""
    apt = debian_archive.private_apt(work, SUITES)
    run([*apt, "update"])
    run([*apt, "download", f"linux-source-{SERIES}"], cwd=work)
    (package,) = work.glob("linux-source-*.deb")
    run(["dpkg-deb", "--extract", package, work / "package"])
    (archive,) = (work / "package/usr/src").glob("linux-source-*.tar.xz")
    return archive
