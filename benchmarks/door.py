"""The docker client through the front door, and on the daemon's own socket."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.sides import Pair, in_turn
from dockyard import course
from dockyard.core import paths

GOAL = 1.10
COMMANDS = {"docker ps": 60, "docker run --rm busybox true": 20}
"""Each with the number of pairs."""


def measure() -> Iterator[Pair]:
    """A pair for each command."""
    state = course.State.load()
    assert state, "the engine was stopped meanwhile"
    for command, repeat in COMMANDS.items():
        yield in_turn(
            f"`{command}` through the front door / to the daemon's socket",
            partial(_seconds, f"unix://{paths.front_door()}", command),
            partial(_seconds, state.endpoint["address"], command),
            repeat,
            GOAL,
        )


def _seconds(address: str, command: str) -> float:
    program, *words = command.split()
    began = time.perf_counter()
    subprocess.run(
        [program, "--host", address, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began
