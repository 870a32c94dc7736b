"""A command in a cell, and the same command at a shell; a page's first cell."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from benchmarks.sides import Pair, in_turn
from dockyard import course
from dockyard.core import paths
from dockyard.jupyter import jupyter_environment

COMMANDS = {"docker ps": (60, 1.3), "docker run --rm busybox true": (20, 1.05)}
"""Each with the number of pairs and the goal."""

NOTHING = "true"
"""A command that costs nothing, to measure the cell itself."""


def measure() -> Iterator[Pair]:
    """Pairs for each command, for the cell itself, and for a kernel that starts."""
    environment = course.whole_environment()
    with Kernel(environment) as kernel, Shell(environment) as shell:
        for command, (repeat, goal) in COMMANDS.items():
            yield in_turn(
                f"`!{command}` in a cell / `{command}` at a shell",
                partial(kernel.seconds, f"!{command}"),
                partial(shell.seconds, command),
                repeat,
                goal,
            )
        yield in_turn(
            "`!true` in a cell / a cell with nothing to do (`pass`)",
            partial(kernel.seconds, f"!{NOTHING}"),
            partial(kernel.seconds, "pass"),
            20,
        )
        yield in_turn(
            "`!true` in a cell / the same cell with IPython's own runner",
            partial(kernel.seconds, f"!{NOTHING}"),
            partial(kernel.seconds, f"get_ipython().system_piped({NOTHING!r})"),
            20,
        )
    data = Path(jupyter_environment.prepare()["JUPYTER_DATA_DIR"])
    yield in_turn(
        "a kernel until its first cell has run / IPython's kernel with its debugger",
        partial(_until_first_cell, environment, KernelSpecManager(kernel_dirs=[f"{data}/kernels"])),
        partial(_until_first_cell, environment, KernelSpecManager()),
        10,
        1,
    )


def _until_first_cell(environment: dict[str, str], kernels: KernelSpecManager) -> float:
    began = time.perf_counter()
    with Kernel(environment, kernels):
        return time.perf_counter() - began


class Kernel:
    """A kernel like JupyterLab's, with the course's extension.

    kernels knows the one that "python3" stands for; that of the environment by default.
    """

    def __init__(
        self, environment: dict[str, str], kernels: KernelSpecManager | None = None
    ) -> None:
        self._manager = KernelManager(
            kernel_name="python3", kernel_spec_manager=kernels or KernelSpecManager()
        )
        self._manager.start_kernel(env=environment, cwd=str(paths.NOTEBOOKS))
        self._client = self._manager.client()

    def __enter__(self) -> Kernel:
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.seconds("%load_ext dockyard")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def seconds(self, source: str) -> float:
        """The time from sending a cell until its kernel is idle again."""
        began = time.perf_counter()
        reply = self._client.execute_interactive(
            source, store_history=False, output_hook=lambda message: None, timeout=120
        )
        taken = time.perf_counter() - began
        assert reply["content"]["status"] == "ok", reply["content"]
        return taken


class Shell:
    """A shell that keeps running, like the one in a learner's terminal."""

    MARK = "-- the command has exited --"

    def __init__(self, environment: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=paths.NOTEBOOKS,
        )

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bash.communicate("exit\n")

    def seconds(self, command: str) -> float:
        """The time from sending a command until the next one could be sent."""
        assert self._bash.stdin and self._bash.stdout
        began = time.perf_counter()
        self._bash.stdin.write(f"{command} < /dev/null; echo '{self.MARK}'\n")
        self._bash.stdin.flush()
        while self._bash.stdout.readline() != f"{self.MARK}\n":
            pass
        return time.perf_counter() - began
