"""The docker client: its program, plugins and configuration folders, and SDK clients.

The course never changes ``~/.docker``. Each lesson has its own configuration folder
(``DOCKER_CONFIG``), so contexts and log-ins made in a lesson do not leave it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockyard.core import paths, shared_store
from dockyard.core.labels import LESSON_HEADER, UNTRACED_HEADER
from dockyard.exceptions import EngineNotRunning

if TYPE_CHECKING:
    import docker

CONTEXT = "dockyard"

PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)
"""Folders in which installers of the docker client put its plugins."""


def own_plugins() -> Path:
    """The folder for client plugins that the course fetched itself."""
    return paths.home() / "cli-plugins"


def own_programs() -> Path:
    """The folder for the docker client, when the course fetched one itself."""
    return paths.home() / "bin"


def engine_programs() -> Path:
    """The folder of links to the docker client of the engine, if that brings one along."""
    return paths.home() / "engine-bin"


def engine_plugins() -> Path:
    """The folder of links to the plugins of the engine's docker client."""
    return engine_programs() / "cli-plugins"


def find() -> str | None:
    """The path of the docker client: the engine's, the learner's or the course's; None without."""
    return (
        shutil.which("docker", path=engine_programs())
        or shutil.which("docker")
        or shutil.which("docker", path=own_programs())
    )


def find_plugin(name: str) -> Path | None:
    """The path of the plugin ``docker-NAME``, found in the order of find(); None without one."""
    for folder in (str(engine_plugins()), *PLUGIN_FOLDERS, str(own_plugins())):
        program = Path(folder).expanduser() / f"docker-{name}"
        if os.access(program, os.X_OK):
            return program
    return None


def write_config(lesson: str | None = None, *, keep: bool = False) -> Path:
    """Reset a Docker configuration folder: the front door is its only and current context.

    Contexts, log-ins and plugins that a lesson added to the folder are removed; with keep they
    stay, and only the current context is the front door again. The folder may be
    in use: at no moment is config.json or the context missing, because the docker client would
    then use its default socket, which can be the learner's own daemon. Returns the folder, for
    ``DOCKER_CONFIG``.
    """
    folder = paths.docker_config(lesson)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as made:
        files = _make_config(Path(made), lesson, _log_ins(folder) if keep else {})
        for file in files:
            _make_folder(folder, file.parent)
            if (target := folder / file).is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            os.replace(Path(made, file), target)
    if not keep:
        _remove_others(folder, {folder / file for file in files})
    return folder


def _log_ins(folder: Path) -> dict[str, Any]:
    """The log-ins in a configuration folder, as config.json has them; empty without any."""
    try:
        found = json.loads((folder / "config.json").read_bytes()).get("auths")
    except (OSError, ValueError, AttributeError):
        return {}
    return {"auths": found} if found else {}


def _make_config(folder: Path, lesson: str | None, log_ins: dict[str, Any]) -> list[Path]:
    """Write a configuration into an empty folder; return its files, config.json last.

    config.json names the context, so the context must be in place first.
    """
    files = []
    for name in ("compose", "buildx"):
        # docker 20.10 looks for plugins in DOCKER_CONFIG only, not in cliPluginsExtraDirs.
        if found := find_plugin(name):
            files.append(Path("cli-plugins", found.name))
            _make_folder(folder, files[-1].parent)
            (folder / files[-1]).symlink_to(found)
    files.append(Path("contexts/meta", hashlib.sha256(CONTEXT.encode()).hexdigest(), "meta.json"))
    _make_folder(folder, files[-1].parent)
    endpoint = {"Host": f"unix://{paths.front_door()}", "SkipTLSVerify": False}
    context = {
        "Name": CONTEXT,
        "Metadata": {"Description": "the engine of this course"},
        "Endpoints": {"docker": endpoint},
    }
    (folder / files[-1]).write_text(json.dumps(context))
    settings: dict[str, Any] = {
        "currentContext": CONTEXT,
        # docker looks here before it looks into DOCKER_CONFIG.
        "cliPluginsExtraDirs": [
            str(engine_plugins()),
            str(Path(PLUGIN_FOLDERS[0]).expanduser()),
            str(own_plugins()),
        ],
        **log_ins,
    }
    if lesson:
        settings["HttpHeaders"] = {LESSON_HEADER: lesson}
    files.append(Path("config.json"))
    (folder / files[-1]).write_text(json.dumps(settings, indent=1) + "\n")
    return files


def _make_folder(top: Path, relative: Path) -> None:
    """Make a folder below top, in place of any file or symbolic link that is in the way."""
    for part in [*reversed(relative.parents), relative]:
        folder = top / part
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            folder.unlink()
        folder.mkdir(mode=0o700, exist_ok=True)


def _remove_others(folder: Path, kept: set[Path]) -> None:
    """Remove everything in a folder except for the files in kept; follow no symbolic link."""
    for path in folder.iterdir():
        if path in kept:
            continue
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        elif any(path in file.parents for file in kept):
            _remove_others(path, kept)
        else:
            shutil.rmtree(path, ignore_errors=True)


def lesson() -> str | None:
    """The lesson that this kernel or shell is in, from ``DOCKER_CONFIG``; None outside a lesson."""
    folder, outside = Path(os.environ.get("DOCKER_CONFIG", "")), paths.docker_config()
    return folder.name if folder.parent == outside.parent and folder != outside else None


def repair(lesson: str | None = None) -> bool:
    """Write the configuration of the course or of a lesson anew when docker could not read it.

    docker would use its default socket then. Returns whether it was written. Raises OSError.
    """
    try:
        if isinstance(json.loads((paths.docker_config(lesson) / "config.json").read_bytes()), dict):
            return False
    except (OSError, ValueError, RecursionError):
        pass
    write_config(lesson)
    return True


def environment(lesson: str | None = None) -> dict[str, str]:
    """Variables that point any docker client at the course and keep its output plain.

    The variables in UNSET, which override the context, must be unset as well. Writes the
    configuration folder when it is missing or damaged.
    """
    repair(lesson)
    return {
        **_path(),
        "DOCKER_CONFIG": str(paths.docker_config(lesson)),
        "DOCKYARD_HOME": str(paths.home()),
        **({"DOCKYARD_STORE": str(paths.store())} if shared_store.is_shared() else {}),
        # Outputs are stored and compared, so they must not depend on the terminal.
        "BUILDKIT_PROGRESS": "plain",
        "COMPOSE_PROGRESS": "plain",
        "COMPOSE_ANSI": "never",
        "COMPOSE_MENU": "false",
        "DOCKER_CLI_HINTS": "false",
        "DOCKER_SCAN_SUGGEST": "false",
        "NO_COLOR": "1",
    }


def _path() -> dict[str, str]:
    """PATH with the engine's docker client first and the course's own last, if there are any."""
    before = os.environ.get("PATH", "")
    engine, own = str(engine_programs()), str(own_programs())
    folders = [each for each in before.split(os.pathsep) if each not in (engine, own)]
    if (engine_programs() / "docker").exists():
        folders.insert(0, engine)
    if own_programs().is_dir():
        folders.append(own)
    after = os.pathsep.join(folders)
    return {} if after == before else {"PATH": after}


UNSET = (
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
)
"""Variables that override the context, so that a client would not reach the course."""


def connect(timeout: int = 60, *, untraced: bool = False) -> docker.DockerClient:
    """An SDK client connected to the front door.

    timeout is in seconds. ``%%trace`` does not show the requests of an untraced client. Raises
    EngineNotRunning when the daemon does not answer.
    """
    address = paths.front_door()
    if not address.exists():
        raise EngineNotRunning()
    # Most commands need no client, and importing the SDK takes a tenth of a second.
    import docker

    try:
        daemon = docker.DockerClient(base_url=f"unix://{address}", timeout=timeout)
    except docker.errors.DockerException as error:
        raise EngineNotRunning(f"Nothing answers on {address} ({_short(error)}).") from None
    if untraced:
        daemon.api.headers[UNTRACED_HEADER] = "1"
    return daemon


def hang_up() -> None:
    """Shut down this process's connections to the front door.

    Threads that wait for the daemon's answer then get an error at once.
    """
    for number in os.listdir("/dev/fd"):
        with (
            suppress(OSError),
            socket.fromfd(int(number), socket.AF_UNIX, socket.SOCK_STREAM) as connection,
        ):
            if connection.getpeername() == str(paths.front_door()):
                connection.shutdown(socket.SHUT_RDWR)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:160]
