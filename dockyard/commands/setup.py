"""Sets up what ``learn`` and ``test`` need: the engine and its images."""

from __future__ import annotations

from collections.abc import Callable

from dockyard import course
from dockyard.core.console import Say


def set_up(
    choice: str, say: Say, *, install: bool, then: Callable[[], None] = lambda: None
) -> None:
    """Call then, which begins something that takes a while; start the engine; bring its images."""
    then()
    course.start(choice, say, install=install)
    course.fill(say, install=install)
