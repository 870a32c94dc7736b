"""Output for a person at a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

Say = Callable[[str], None]
"""Prints one line for a person; the line has no newline at its end."""

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Print a line on standard error, with the seconds since this process started."""
    # Work that has begun must finish even when the terminal has been closed.
    with contextlib.suppress(OSError):
        print(f"[{time.monotonic() - _STARTED:5.1f} s] {text}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """The text of somebody else on one line, without what could steer a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def show(report: RenderableType) -> None:
    """Print a report on standard output, with colours on a terminal unless NO_COLOR is set.

    Lines are not broken, so that they can be searched in a pipe.
    """
    # Importing rich takes longer than most commands.
    from rich.console import Console

    Console(highlight=False).print(report, soft_wrap=True)
