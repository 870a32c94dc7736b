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

START = Path(__file__).with_name("terminal.bash")
"""The start-up file of all terminals of the course."""


def prepare(title: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Write the start-up file of a terminal; return the command that starts its shell.

    Creates the folder. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    lines = [
        f"unset {' '.join(docker_client.UNSET)}",
        *(
            f"export {name}={shlex.quote(value)}"
            for name, value in {**variables, "PATH": path}.items()
            if re.fullmatch(r"[A-Za-z_]\w*", name)
        ),
        f"cd -- {shlex.quote(str(folder))}",
        f". {shlex.quote(str(START))}",
    ]
    file = paths.run_dir() / f"{title}.bash"
    whole_file.write(file, ("\n".join(lines) + "\n").encode())
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
