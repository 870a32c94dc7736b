"""Sets up what ``learn`` and ``test`` need: the engine and its images."""

from __future__ import annotations

from dockyard import course
from dockyard.core.console import Say


def set_up(choice: str, say: Say, *, install: bool) -> None:
    """Start the engine and bring its images."""
    course.start(choice, say, install=install)
    course.fill(say, install=install)
