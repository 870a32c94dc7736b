"""Gives lessons the docker client, its plugins (Compose, buildx) and curl.

If an engine brings a client along, lessons use that one. With any other engine they use the
learner's. What is missing comes from the engine root.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from dockyard.core import docker_client
from dockyard.core.console import Say
from dockyard.engine import engine_root
from dockyard.engine.base import Need
from dockyard.exceptions import InstallFailed

PLUGINS = ("compose", "buildx")
IN_ROOT = ("usr/bin/docker", "usr/libexec/docker/cli-plugins/*")
"""Where client and plugins are below the folder that an engine brings along."""


def need() -> Need:
    """The need for the docker client; met as well if the course can bring it along."""
    found = docker_client.find()
    brought = found is None and engine_root.can_be_had()
    return Need(
        "docker client",
        bool(found) or brought,
        found or ("none (the course brings one along)" if brought else "none"),
        "Install it:  https://docs.docker.com/engine/install/",
    )


def ensure(say: Say, root: Path | None = None) -> None:
    """Make sure that the course has ``docker``, its plugins and ``curl``.

    root is what Engine.client_root() returns; a client in it comes before the learner's. Raises
    InstallFailed if one is missing and cannot be had, DiskFull or Busy.
    """
    _use(root)
    absent = dict(_absent())
    if not absent:
        return
    if not engine_root.can_be_had():
        raise InstallFailed(
            f"These programs are missing: {', '.join(absent)}.",
            "The commands of the lessons need them.",
            "Install them:  https://docs.docker.com/engine/install/",
        )
    own = engine_root.fetch(say)
    for name, folder in absent.items():
        _place(folder / name, own / "bin" / name)


def _use(root: Path | None) -> None:
    """Provide the client and plugins below root, in place of any of an earlier engine."""
    folder, plugins = docker_client.engine_programs(), docker_client.engine_plugins()
    wanted = {}
    for program in () if root is None else sorted(_programs(root)):
        where = folder if program.name == "docker" else plugins
        wanted[where / program.name] = program
    for file in [*folder.glob("docker*"), *plugins.glob("*")]:
        if file not in wanted:
            file.unlink()
    for file, program in wanted.items():
        _place(file, program)


def _programs(root: Path) -> Iterator[Path]:
    for pattern in IN_ROOT:
        for program in root.glob(pattern):
            launcher = root / "bin" / program.name
            yield launcher if launcher.exists() else program


def _place(file: Path, program: Path) -> None:
    """Make file run program, in place of any file of that name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    if program.parent == engine_root.folder() / "bin":
        part.write_text(engine_root.launcher(program.name))
        part.chmod(0o755)
    else:
        part.symlink_to(program)
    part.replace(file)


def _absent() -> Iterator[tuple[str, Path]]:
    """The programs that are missing, and the folder for each."""
    if docker_client.find() is None:
        yield "docker", docker_client.own_programs()
    for name in PLUGINS:
        if docker_client.find_plugin(name) is None:
            yield f"docker-{name}", docker_client.own_plugins()
    own = docker_client.own_programs()
    if not (shutil.which("curl") or shutil.which("curl", path=own)):
        yield "curl", own
