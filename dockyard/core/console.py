"""Messages for a person at a terminal, on standard error."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable

Say = Callable[[str], None]
"""Prints one line for a person; the line has no newline at its end."""

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Print a line on standard error, with the seconds since this process started."""
    # When the terminal has been closed, the work that has begun still has to finish.
    with contextlib.suppress(OSError):
        print(f"[{time.monotonic() - _STARTED:5.1f} s] {text}", file=sys.stderr, flush=True)
