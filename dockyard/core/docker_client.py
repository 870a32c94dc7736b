"""The docker client's side: its configuration folders, contexts and plugins.

The course never touches ``~/.docker``. Each lesson has a configuration folder of its own
(``DOCKER_CONFIG``), so that contexts, log-ins and the current context made in it stay in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import docker

from dockyard.core import paths
from dockyard.core.labels import LESSON_HEADER, UNTRACED_HEADER
from dockyard.exceptions import EngineNotRunning

CONTEXT = "dockyard"

PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)
"""Where installations of the docker client keep its plugins."""


def own_plugins() -> Path:
    """The folder for client plugins that the course brings along."""
    return paths.home() / "cli-plugins"


def own_programs() -> Path:
    """The folder for the docker client, where the course had to bring one along."""
    return paths.home() / "bin"


def find() -> str | None:
    """The docker client, the learner's own first."""
    return shutil.which("docker") or shutil.which("docker", path=own_programs())


def find_plugin(name: str) -> Path | None:
    """The client plugin ``docker-NAME``, the learner's own first."""
    for folder in (*PLUGIN_FOLDERS, str(own_plugins())):
        program = Path(folder).expanduser() / f"docker-{name}"
        if os.access(program, os.X_OK):
            return program
    return None


def write_config(lesson: str | None = None) -> Path:
    """Make a fresh Docker configuration folder whose current context is the front door.

    What an earlier run left in it (contexts, log-ins) goes. Returns the folder, to be used as
    ``DOCKER_CONFIG``.
    """
    folder = paths.docker_config(lesson)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)
    settings = {
        "currentContext": CONTEXT,
        "cliPluginsExtraDirs": [str(Path(each).expanduser()) for each in PLUGIN_FOLDERS[:1]]
        + [str(own_plugins())],
    }
    if lesson:
        settings["HttpHeaders"] = {LESSON_HEADER: lesson}
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    _link_plugins(folder)
    meta = folder / "contexts" / "meta" / hashlib.sha256(CONTEXT.encode()).hexdigest()
    meta.mkdir(parents=True)
    endpoint = {"Host": f"unix://{paths.front_door()}", "SkipTLSVerify": False}
    (meta / "meta.json").write_text(
        json.dumps(
            {
                "Name": CONTEXT,
                "Metadata": {"Description": "the engine of this course"},
                "Endpoints": {"docker": endpoint},
            }
        )
    )
    return folder


def _link_plugins(folder: Path) -> None:
    # docker 20.10 looks for plugins in DOCKER_CONFIG only, not in cliPluginsExtraDirs.
    links = folder / "cli-plugins"
    links.mkdir()
    for name in ("compose", "buildx"):
        if found := find_plugin(name):
            (links / found.name).symlink_to(found)


def lesson() -> str | None:
    """The lesson of this kernel or shell, if one has begun; its clients send this name along."""
    # The lesson's configuration folder is named for it.
    folder, outside = Path(os.environ.get("DOCKER_CONFIG", "")), paths.docker_config()
    return folder.name if folder.parent == outside.parent and folder != outside else None


def environment(lesson: str | None = None) -> dict[str, str]:
    """The variables that point any docker client at the course, and keep its output plain.

    Variables that would override the context (DOCKER_HOST, DOCKER_CONTEXT, …) must be unset:
    see UNSET.
    """
    return {
        **_path(),
        "DOCKER_CONFIG": str(paths.docker_config(lesson)),
        "DOCKYARD_HOME": str(paths.home()),
        # The same text whatever the terminal: outputs are stored and compared.
        "BUILDKIT_PROGRESS": "plain",
        "COMPOSE_PROGRESS": "plain",
        "COMPOSE_ANSI": "never",
        "COMPOSE_MENU": "false",
        "DOCKER_CLI_HINTS": "false",
        "DOCKER_SCAN_SUGGEST": "false",
        "NO_COLOR": "1",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
    }


def _path() -> dict[str, str]:
    """The PATH with the course's own docker client at its end, where it had to bring one."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    own = str(own_programs())
    if not own_programs().is_dir() or own in folders:
        return {}
    return {"PATH": os.pathsep.join([*folders, own])}


UNSET = (
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION",
)
"""Variables that would lead a client past the course's context."""


def connect(timeout: float = 60, *, untraced: bool = False) -> docker.DockerClient:
    """An SDK client on the front door; ``%%trace`` leaves out the requests of an untraced one.

    timeout is in seconds. Raises EngineNotRunning when nobody answers there.
    """
    socket = paths.front_door()
    if not socket.exists():
        raise EngineNotRunning()
    try:
        daemon = docker.DockerClient(base_url=f"unix://{socket}", timeout=timeout)
    except docker.errors.DockerException as error:
        raise EngineNotRunning(f"Nothing answers on {socket} ({_short(error)}).") from None
    if untraced:
        daemon.api.headers[UNTRACED_HEADER] = "1"
    return daemon


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:160]
