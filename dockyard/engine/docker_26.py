"""Docker 26.1 of Debian 13, beside this system's Docker, to test the lessons on it.

Debian 13's dockerd and containerd are unpacked and started like the embedded engine. Debian 12's
C library is new enough for them but not for Debian 13's runc, so this system's runc is used.
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
from dockyard.engine.base import Need
from dockyard.engine.docker_20 import InstalledEngine

SUITE = "trixie"
PACKAGES = ("docker.io", "containerd")


class Docker26Engine(InstalledEngine):
    """dockerd 26.1, started as root on this host."""

    name: ClassVar[str] = "docker-26"
    title: ClassVar[str] = "Docker 26.1 of Debian 13, started by the course as root"

    def __init__(self) -> None:
        super().__init__()
        self.data = paths.home() / self.name
        self.programs = paths.home() / f"{self.name}-programs"

    def _needs(self) -> Iterator[Need]:
        yield from super()._needs()
        yield debian_archive.keyring_need()

    def _install(self, say: Say, *, agreed: bool) -> None:
        super()._install(say, agreed=agreed)
        if self.programs.exists():
            return
        say(f"fetching {' and '.join(PACKAGES)} of Debian 13")
        part = Path(f"{self.programs}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        log = paths.logs() / f"{self.name}.log"
        debian_archive.extract(PACKAGES, SUITE, part, log, self.title)
        part.rename(self.programs)

    def _search(self) -> str:
        own = [str(self.programs / f"usr/{name}") for name in ("sbin", "bin", "libexec")]
        return os.pathsep.join([*own, system_packages.SEARCH])
