"""Docker 20.10 of Debian 12, the oldest that the lessons work with, to test them on it.

It is what is installed on this host, started like the embedded engine.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.engine import oci_runtime, system_packages
from dockyard.engine.base import Need
from dockyard.engine.embedded import EmbeddedEngine

PROGRAMS = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "docker": "docker-cli",
    "iptables": "iptables",
    "ip": "iproute2",
    "curl": "curl",
}
"""The programs that are needed, each with its Debian package."""


class InstalledEngine(EmbeddedEngine):
    """dockerd of this host's packages, started as root beside the host's own daemon."""

    def _needs(self) -> Iterator[Need]:
        yield self._root()
        yield system_packages.need(system_packages.missing(self._packages()))

    def _packages(self) -> dict[str, str]:
        return PROGRAMS

    def _install(self, say: Say, *, agreed: bool) -> None:
        system_packages.install(system_packages.missing(self._packages()), say, agreed=agreed)

    def client_root(self, say: Say) -> Path | None:
        """None: the client is the host's, too."""
        return None

    def _search(self) -> str:
        return system_packages.SEARCH

    def _program(self, name: str) -> str:
        return system_packages.require(name, self._packages()[name], search=self._search())

    def _containerd_command(self) -> list[str | Path]:
        return self._containerd_words()

    def _dockerd_command(self, mirror: str | None) -> list[str | Path]:
        # Docker 20.10 asks runc for every capability, see oci_runtime.
        return [*self._dockerd_words(mirror), *oci_runtime.options(self.data)]


class Docker20Engine(InstalledEngine):
    """dockerd 20.10, started as root on this host."""

    name: ClassVar[str] = "docker-20"
    title: ClassVar[str] = "Docker 20.10 of Debian 12, started by the course as root"

    def __init__(self) -> None:
        super().__init__()
        self.data = paths.home() / self.name

    def _needs(self) -> Iterator[Need]:
        yield from super()._needs()
        found = _version()
        yield Need(
            "Docker 20.10",
            found.startswith("20.10."),
            f"dockerd {found}" if found else "no dockerd is installed",
            "Use Debian 12 with its package docker.io.",
        )


def _version() -> str:
    """The version of the dockerd that is installed, or else of the one that apt would install."""
    if dockerd := shutil.which("dockerd", path=system_packages.SEARCH):
        words, pattern = [dockerd, "--version"], r"version ([\d.]+)"
    elif apt := system_packages.which("apt-cache"):
        words, pattern = [apt, "policy", "docker.io"], r"Candidate: ([\d.]+)"
    else:
        return ""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout)
    return found[1] if found else ""
