"""Waiting for a condition, with a deadline and a description of what is awaited."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dockyard.exceptions import DockyardError

T = TypeVar("T")

LONGEST = 0.5
"""Seconds to which a slow probe can stretch the interval between two of its calls."""


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file, or an empty string when it cannot be read."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def patience_now(seconds: float, longest: float) -> float:
    """How long something may take, in seconds, that usually takes so many.

    On a busy computer, that is as many times longer as there are processes that want to run for
    each processor, but not over longest.
    """
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return max(seconds, min(seconds * load, longest))


def within(timeout: float, probe: Callable[[], T], interval: float = 0.05) -> T:
    """Call probe until it returns something true or timeout has passed; return its last answer.

    timeout and interval are in seconds. The interval gets as long as a call of probe took, up to
    LONGEST, so that what is waited for has a processor, too. An exception from probe is passed on
    at once.
    """
    deadline = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        answer = probe()
        ended = time.monotonic()
        if answer or ended >= deadline:
            return answer
        time.sleep(max(interval, min(ended - began, LONGEST)))


def until(
    description: str,
    probe: Callable[[], T | None],
    timeout: float,
    *,
    interval: float = 0.05,
    log: Path | None = None,
    error: type[DockyardError] = DockyardError,
    next: str = "",
) -> T:
    """Call probe until it returns something true; return that.

    timeout and interval are in seconds. Raises error, with the description and the last 20
    lines of log, after timeout. An exception from probe is passed on at once.
    """
    if answer := within(timeout, probe, interval):
        return answer
    why = tail(log) if log else ""
    raise error(f"Gave up after {timeout:g} s waiting for {description}.", why, next)
