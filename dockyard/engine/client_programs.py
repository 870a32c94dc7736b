"""Links the engine's docker client and plugins (Compose, buildx), or fetches what is missing.

If an engine brings a client along, lessons use that one. With any other engine they use the
learner's, or Debian's if there is none. Debian 12 has no plugins. Those of Debian 13, and its
client, depend on nothing but the C library, so they are unpacked from its packages into the
course's folders. This needs no root and leaves this system's package sources unchanged.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dockyard.core import docker_client, paths
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.engine import debian_archive
from dockyard.exceptions import InstallFailed

PACKAGES = {"docker": "docker-cli", "compose": "docker-compose", "buildx": "docker-buildx"}
SUITE = "trixie"


IN_ROOT = ("usr/bin/docker", "usr/libexec/docker/cli-plugins/*")
"""Where client and plugins are below the folder that an engine brings along."""


def ensure(say: Say, root: Path | None = None) -> None:
    """Make sure that the course has ``docker``, ``docker compose`` and ``docker buildx``.

    root is what Engine.client_root() returns; a client in it comes before the learner's. Raises
    InstallFailed if one is missing and cannot be fetched.
    """
    _link(root)
    absent = _absent()
    if not absent:
        return
    if not debian_archive.can_extract():
        raise InstallFailed(
            f"These parts of the docker client are missing: {', '.join(absent)}.",
            "The commands of the lessons need them.",
            "Install them:  https://docs.docker.com/engine/install/",
        )
    say(f"fetching parts of the docker client: {', '.join(absent)}")
    with Lock("plugins", timeout=300):
        _fetch([PACKAGES[name] for name in _absent()])


def _link(root: Path | None) -> None:
    """Make the links to the client and plugins below root, in place of any earlier links."""
    folder = docker_client.engine_programs()
    wanted = {}
    for program in () if root is None else sorted(_programs(root)):
        where = folder if program.name == "docker" else docker_client.engine_plugins()
        wanted[where / program.name] = program
    for link in [*folder.glob("docker*"), *docker_client.engine_plugins().glob("*")]:
        if link not in wanted:
            link.unlink()
    for link, program in wanted.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        part = link.with_name(f".{link.name}.part")
        part.unlink(missing_ok=True)
        part.symlink_to(program)
        part.replace(link)


def _programs(root: Path) -> Iterator[Path]:
    for pattern in IN_ROOT:
        yield from root.glob(pattern)


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
            _copy_into(program, docker_client.own_plugins())
        for program in tree.glob("usr/bin/docker"):
            _copy_into(program, docker_client.own_programs())


def _copy_into(program: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / program.name
    part = target.with_name(f"{target.name}.part")
    shutil.copy2(program.resolve(), part)
    part.replace(target)
