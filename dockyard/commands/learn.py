"""``learn``: opens JupyterLab at the first notebook, and sets up the engine meanwhile."""

from __future__ import annotations

import argparse
import os

from dockyard import course
from dockyard.commands.helper_process import HelperProcess
from dockyard.core import paths, ports
from dockyard.core.console import say
from dockyard.exceptions import PortInUse
from dockyard.jupyter import jupyter_environment
from dockyard.learner_copy import course_folder

WELL_KNOWN_PORT = 8888
"""Jupyter's default port."""


def run(options: argparse.Namespace) -> int:
    """Open the course; return JupyterLab's exit code when it exits.

    Stops the engine, unless it was running before. An engine that cannot start is an error in the
    terminal and in the notebook; JupyterLab stays open. Raises PortInUse, SetupError or DiskFull.
    """
    port = options.port
    if port is not None and not ports.is_free(port):
        raise PortInUse(port)
    course.prepare_home()
    ran_before = course.answers()
    course_folder.update(say)
    say(f"opening your copy of the notebooks, {paths.learner_copy()}")
    lab = _jupyterlab(port or ports.choose(WELL_KNOWN_PORT), browser=not options.no_browser)
    engine = ["dockyard", "engine", "start", "--engine", options.engine]
    try:
        with HelperProcess(lab, jupyter_environment.whole()) as jupyterlab:
            say("press Ctrl-C here to end the course; the engine starts meanwhile")
            with HelperProcess(engine, os.environ):
                return jupyterlab.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        if not ran_before:
            say("stopping the engine; your work is kept")
            course.stop(say)


def _jupyterlab(port: int, *, browser: bool) -> list[str]:
    return [
        "jupyterlab",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        *([] if browser else ["--no-browser"]),
        # Jupyter refuses to run as root without it; root is usual in containers.
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
