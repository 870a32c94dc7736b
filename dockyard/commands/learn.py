"""``learn``: sets up everything, then opens JupyterLab at the first notebook."""

from __future__ import annotations

import argparse
import os

from dockyard import course
from dockyard.commands.jupyterlab import JupyterLab
from dockyard.commands.setup import set_up
from dockyard.core import paths, ports
from dockyard.core.console import say
from dockyard.exceptions import PortInUse

START = "notebooks/00-start-here.ipynb"
WELL_KNOWN_PORT = 8888
"""Jupyter's default port."""


def run(options: argparse.Namespace) -> int:
    """Open the course; return JupyterLab's exit code when it exits.

    Stops the engine, unless it was running before. Raises PortInUse, EngineError, RegistryError
    or SetupError.
    """
    port = options.port
    if port is not None and not ports.is_free(port):
        raise PortInUse(port)
    ran_before = course.answers()
    try:
        return _jupyterlab(options.engine, options.yes, _arguments(port, not options.no_browser))
    finally:
        if not ran_before:
            say("stopping the engine; your work is kept")
            course.stop(say)


def _arguments(port: int | None, browser: bool) -> list[str]:
    return [
        f"--ServerApp.root_dir={paths.CHECKOUT}",
        f"--ServerApp.port={port or ports.choose(WELL_KNOWN_PORT)}",
        "--ServerApp.port_retries=0",
        f"--LabApp.default_url=/lab/tree/{START}",
        *([] if browser else ["--no-browser"]),
        # Jupyter refuses to run as root without it; root is usual in containers.
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]


def _jupyterlab(choice: str, install: bool, arguments: list[str]) -> int:
    lab = JupyterLab()
    try:
        lab.prepare(arguments)  # imports JupyterLab while the engine starts
        set_up(choice, say, install=install)
    except BaseException:
        lab.give_up()
        raise
    say("starting JupyterLab; press Ctrl-C here to end the course")
    return lab.serve(course.whole_environment())
