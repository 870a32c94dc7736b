"""A newer Docker beside this system's own, to prove that the lessons hold there, too.

Debian 13's dockerd and containerd are taken out of their packages and started like the embedded
engine. They need a C library that Debian 12 has; runc needs a newer one, so this system's runs
the containers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.engine import debian_archive, system_packages
from dockyard.engine.base import Endpoint, Need
from dockyard.engine.embedded import EmbeddedEngine

SUITE = "trixie"
PACKAGES = ("docker.io", "containerd")


class NewerEngine(EmbeddedEngine):
    """dockerd 26.1, started as root on this host."""

    name: ClassVar[str] = "docker-26"
    title: ClassVar[str] = "Docker 26.1 of Debian 13, started by the course as root"

    def __init__(self) -> None:
        super().__init__()
        self.data = paths.home() / self.name
        self.programs = paths.home() / f"{self.name}-programs"

    def _needs(self) -> Iterator[Need]:
        yield from super()._needs()
        keyring = debian_archive.KEYRING.exists()
        yield Need(
            "Debian's keys",
            keyring,
            f"{debian_archive.KEYRING} {'is there' if keyring else 'is missing'}",
            "sudo apt-get install debian-archive-keyring",
        )

    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Endpoint:
        """Fetch the programs once, then start them."""
        if not self.programs.exists():
            say(f"fetching {' and '.join(PACKAGES)} of Debian 13")
            part = Path(f"{self.programs}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            log = paths.logs() / f"{self.name}.log"
            debian_archive.extract(PACKAGES, SUITE, part, log, self.title)
            part.rename(self.programs)
        return super().start(say, mirror=mirror, install=install)

    def _search(self) -> str:
        own = (self.programs / "usr/sbin", self.programs / "usr/bin", self.programs / "usr/libexec")
        return os.pathsep.join([*map(str, own), system_packages.SEARCH])
