"""Setting up what ``learn`` and ``test`` need: Python packages, engine and images."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from dockyard import course
from dockyard.core import python_packages
from dockyard.core.console import Say


def set_up(
    choice: str, say: Say, *, install: bool, then: Callable[[], None] = lambda: None
) -> None:
    """Python packages and the engine with its images, side by side.

    then is called once the packages are there, although the engine may not be. Raises the first
    error of either, once both have ended.
    """

    def packages_first() -> None:
        python_packages.ensure_all(say)
        then()

    with ThreadPoolExecutor(1) as beside:
        packages = beside.submit(packages_first)
        course.start(choice, say, install=install)
        course.fill(say, install=install)
        packages.result()
