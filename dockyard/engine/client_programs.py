"""The docker client and its plugins (Compose, buildx), where this system lacks them.

Debian 12 has no plugins. Debian 13 has them and the client as programs that need nothing but the
C library, so they are taken out of its packages into the course's own folders. This system's
package sources stay as they are, and nobody need be root.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from dockyard.core import docker_client, paths
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.engine import debian_archive
from dockyard.exceptions import InstallFailed

PACKAGES = {"docker": "docker-cli", "compose": "docker-compose", "buildx": "docker-buildx"}
SUITE = "trixie"


def ensure(say: Say) -> None:
    """Make ``docker``, ``docker compose`` and ``docker buildx`` work in the course.

    Raises InstallFailed when they are missing and cannot be fetched.
    """
    absent = _absent()
    if not absent:
        return
    if not debian_archive.can_extract():
        raise InstallFailed(
            f"These parts of the docker client are missing: {', '.join(absent)}.",
            "The lessons use them in their commands.",
            "Install them:  https://docs.docker.com/engine/install/",
        )
    say(f"fetching parts of the docker client: {', '.join(absent)}")
    with Lock("plugins", timeout=300):
        _fetch([PACKAGES[name] for name in _absent()])


def _absent() -> list[str]:
    return [
        name
        for name in PACKAGES
        if (docker_client.find() if name == "docker" else docker_client.find_plugin(name)) is None
    ]


def _fetch(wanted: list[str]) -> None:
    log = paths.logs() / "plugins.log"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        debian_archive.extract(wanted, SUITE, tree, log, "A part of the docker client")
        for program in tree.glob("usr/lib*/docker/cli-plugins/docker-*"):
            _put(program, docker_client.own_plugins())
        for program in tree.glob("usr/bin/docker"):
            _put(program, docker_client.own_programs())


def _put(program: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / program.name
    part = target.with_name(f"{target.name}.part")
    shutil.copy2(program.resolve(), part)
    part.replace(target)
