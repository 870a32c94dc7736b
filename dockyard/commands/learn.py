"""``learn``: opens JupyterLab at the first notebook, and sets up the engine meanwhile."""

from __future__ import annotations

import argparse
import os

from dockyard import course
from dockyard.commands.helper_process import HelperProcess
from dockyard.core import full_disk, paths, ports
from dockyard.core.console import say
from dockyard.exceptions import JupyterLabEnded, PortInUse
from dockyard.jupyter import jupyter_environment
from dockyard.learner_copy import course_folder

WELL_KNOWN_PORT = 8888
"""Jupyter's default port."""

KERNELS_END = 20
"""Seconds that JupyterLab has for the end of its kernels. It may hang after that, if it was told to
end while a kernel was starting: its idle threads wait for work."""


def run(options: argparse.Namespace) -> int:
    """Open the course; return 0 when JupyterLab has been shut down.

    Stops the engine, unless it was running before. An engine that cannot start is an error in the
    terminal and in the notebook; JupyterLab stays open. Raises PortInUse, SetupError, DiskFull, or
    JupyterLabEnded when it was killed or failed.
    """
    port = options.port
    if port is not None and not ports.is_free(port):
        raise PortInUse(port)
    course.prepare_home()
    ran_before = course.answers()
    course_folder.update(say)
    say(f"opening your copy of the notebooks, {paths.learner_copy()}")
    port = port or ports.choose(WELL_KNOWN_PORT)
    lab = _jupyterlab(port, browser=not options.no_browser)
    engine = ["dockyard", "engine", "start", "--engine", options.engine]
    try:
        with HelperProcess(lab, jupyter_environment.whole(), KERNELS_END) as jupyterlab:
            say("press Ctrl-C here to end the course; the engine starts meanwhile")
            with HelperProcess(engine, os.environ):
                code = _wait(jupyterlab, port)
    except KeyboardInterrupt:
        return 0
    finally:
        if not ran_before:
            say("stopping the engine; your work is kept")
            course.stop(say)
    if code:
        how = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
        full = full_disk.find()
        raise JupyterLabEnded(how, f"The disk of {full} is full." if full else "")
    return 0


def _wait(jupyterlab: HelperProcess, port: int) -> int:
    """Wait until JupyterLab exits; return its exit code.

    That is 0 for one that was shut down, no longer serves its port, and hangs.
    """
    while (code := jupyterlab.wait(0.2)) is None and ports.refuses(port):
        pass  # it is starting
    while code is None:
        code = jupyterlab.wait(5)
        if code is None and ports.refuses(port):
            return jupyterlab.wait(KERNELS_END) or 0
    return code


def _jupyterlab(port: int, *, browser: bool) -> list[str]:
    return [
        "jupyterlab",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        *([] if browser else ["--no-browser"]),
        # Jupyter refuses to run as root without it; root is usual in containers.
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
