"""Client plugins (Compose, buildx) for a docker client that lacks them.

Debian 12 has neither. Debian 13 has both, as programs that need nothing but the C library, so
they are taken out of its packages into the course's own folder. This system's package sources
stay as they are.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from dockyard import client, paths
from dockyard.engine import debian, packages
from dockyard.engine.base import Say
from dockyard.exceptions import InstallFailed
from dockyard.process import Lock

PACKAGES = {"compose": "docker-compose", "buildx": "docker-buildx"}
SUITE = "trixie"


def ensure(say: Say) -> None:
    """Make ``docker compose`` and ``docker buildx`` work with the course's configuration.

    Raises InstallFailed when they are missing and cannot be fetched.
    """
    absent = [name for name in PACKAGES if client.find_plugin(name) is None]
    if not absent:
        return
    if packages.which("apt-get") is None or not debian.KEYRING.exists():
        raise InstallFailed(
            f"These plugins of the docker client are missing: {', '.join(absent)}.",
            "Lessons on Compose and on building use them.",
            "Install them:  https://docs.docker.com/compose/install/linux/",
        )
    say(f"fetching the client plugins {' and '.join(absent)}")
    with Lock("plugins", timeout=300):
        _fetch([PACKAGES[name] for name in absent if client.find_plugin(name) is None])


def _fetch(wanted: list[str]) -> None:
    log = paths.logs() / "plugins.log"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        debian.extract(wanted, SUITE, tree, log, "The plugins of the docker client")
        client.own_plugins().mkdir(parents=True, exist_ok=True)
        for program in tree.glob("usr/lib*/docker/cli-plugins/docker-*"):
            _put(program.resolve() if program.is_symlink() else program, program.name)


def _put(program: Path, name: str) -> None:
    target = client.own_plugins() / name
    part = target.with_name(name + ".part")
    shutil.copy2(program, part)
    part.replace(target)
