"""``learn``: everything set up, then JupyterLab at the first notebook."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from dockyard import bootstrap, course, paths, ports
from dockyard.engine.base import Say
from dockyard.exceptions import PortInUse
from dockyard.lab import Lab

START = "notebooks/00-start-here.ipynb"
WELL_KNOWN_PORT = 8888
"""Where everybody expects Jupyter."""


def set_up(
    choice: str, say: Say, *, install: bool, then: Callable[[], None] = lambda: None
) -> None:
    """Python packages and the engine with its images, side by side.

    then is called once the packages are there, although the engine may not be. Raises the first
    error of either, once both have ended.
    """

    def packages_first() -> None:
        bootstrap.ensure_all(say)
        then()

    with ThreadPoolExecutor(1) as beside:
        packages = beside.submit(packages_first)
        course.start(choice, say, install=install)
        course.fill(say, install=install)
        packages.result()


def run(choice: str, say: Say, *, install: bool, port: int | None, browser: bool) -> int:
    """Open the course; return when JupyterLab ends.

    An engine that ran before goes on running; one that was started here is stopped.
    """
    if port is not None and not ports.is_free(port):
        raise PortInUse(port)
    ran_before = course.answers()
    try:
        return _jupyterlab(choice, say, install, _arguments(port, browser))
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
        # As root (containers, rented machines) Jupyter wants to be told that this is meant.
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]


def _jupyterlab(choice: str, say: Say, install: bool, arguments: list[str]) -> int:
    lab = Lab()
    try:
        set_up(choice, say, install=install, then=lambda: lab.prepare(arguments))
    except BaseException:
        lab.give_up()
        raise
    say("starting JupyterLab; press Ctrl-C here to end the course")
    return lab.serve(course.whole_environment())
