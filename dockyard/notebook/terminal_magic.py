"""``%terminal``: a terminal beside the notebook, in the lesson's folder and with its settings.

A JupyterLab with the course's extension (dockyard/jupyter/labextensions/dockyard-cells) opens it
when the kernel opens a comm (Jupyter messaging, "Custom messages"). Elsewhere the same command
starts the same shell in any terminal of this computer.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from comm import create_comm

from dockyard.core import docker_client, paths, whole_file

COMM = "dockyard-terminal"

PLAIN = (
    "BUILDKIT_PROGRESS",
    "COMPOSE_ANSI",
    "COMPOSE_MENU",
    "COMPOSE_PROGRESS",
    "DOCKER_CLI_HINTS",
    "NO_COLOR",
)
"""Variables that keep the output of cells plain, which a terminal does not need."""

START = """\
# The start-up file of a terminal that %terminal opened. ~/.bashrc is left out: it often sets
# DOCKER_HOST or PATH, and docker would then reach another daemon than the cells do.
unset {unset}
{exports}
alias ls='ls --color=auto' grep='grep --color=auto'
PS1={prompt}
cd -- {folder} || echo "The folder {folder} cannot be used."
"""


def prepare(title: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Write the start-up file of a terminal; return the command that starts its shell.

    Creates the folder. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    kept = {key: text for key, text in variables.items() if key not in PLAIN} | {"PATH": path}
    exports = [
        f"export {name}={shlex.quote(value)}"
        for name, value in kept.items()
        if re.fullmatch(r"[A-Za-z_]\w*", name)
    ]
    file = paths.run_dir() / f"{title}.bash"
    text = START.format(
        unset=" ".join((*docker_client.UNSET, *PLAIN)),
        exports="\n".join(exports),
        prompt=shlex.quote(rf"\[\e[1;34m\]{title}\[\e[0m\]:\W\$ "),
        folder=shlex.quote(str(folder)),
    )
    whole_file.write(file, text.encode())
    # exec, so that the terminal ends with this shell.
    return f"exec bash --noprofile --rcfile {shlex.quote(str(file))}"


def open_beside(title: str, command: str) -> str:
    """Ask the front end for a terminal with a shell; return what to tell the learner."""
    # What is sent to a terminal before its shell is ready is shown twice.
    comm = create_comm(target_name=COMM, data={"command": f"clear; {command}"})
    comm.close()
    return (
        f"A terminal for {title} opens beside the notebook. If none does, type in any terminal of "
        f"this computer:\n{command}"
    )
