"""Background processes of the course: started once, found again by later commands, ended whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from dockyard.core import paths, wait
from dockyard.exceptions import Busy, DockyardError

# A service outlives the command that starts it; Popen would warn of a child that still runs.
_STARTED: list[subprocess.Popen] = []


@dataclass(frozen=True)
class Service:
    """One background process with a log, known by name across commands.

    The pid file holds the process id and its start (see _started), so that a reused id is never
    mistaken for the service.
    """

    name: str

    @property
    def pid_file(self) -> Path:
        """Where the process is written down."""
        return paths.run_dir() / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return paths.logs() / f"{self.name}.log"

    def start(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> psutil.Process:
        """Start argv detached from this terminal, output to the log; replaces a stale pid file.

        env is added to the environment of this process; cwd is its folder, by default this
        process's. Raises OSError when the program cannot be run.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=cwd,
                env={**os.environ, **(env or {})},
            )
        _STARTED.append(child)
        process = psutil.Process(child.pid)
        self.pid_file.write_text(json.dumps([process.pid, _started(process)]))
        return process

    def process(self) -> psutil.Process | None:
        """The running process, or None when it has ended or was never started."""
        try:
            pid, started = json.loads(self.pid_file.read_text())
            found = psutil.Process(pid)
            # Earlier editions wrote the creation time; what they started may still run.
            if started not in (_started(found), found.create_time()):
                return None
            if found.status() == psutil.STATUS_ZOMBIE:
                return None
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None
        return found

    def raise_if_ended(
        self, error: type[DockyardError], title: str, next: str, lines: int = 5
    ) -> None:
        """For a probe that waits: raise error, with the log's last lines, once it has ended."""
        if self.process() is None:
            raise error(f"{title} ended instead of starting.", wait.tail(self.log, lines), next)

    def stop(self, timeout: float = 15.0) -> None:
        """End the process and its children; kill what is left after timeout seconds."""
        process = self.process()
        if process is not None:
            family = [process, *process.children(recursive=True)]
            process.terminate()
            end(family, timeout)
        self.pid_file.unlink(missing_ok=True)


def _started(process: psutil.Process) -> float:
    """When a process was started, in seconds of a clock that nobody sets.

    On Linux create_time() is this and the time of the boot, which moves with the time of day:
    after a virtual machine has slept, every service would seem to be another's process.
    """
    return process._ident[1]


def end(processes: Sequence[psutil.Process], timeout: float) -> None:
    """Wait up to timeout seconds for processes to end by themselves, then terminate and kill."""
    _, alive = psutil.wait_procs(processes, timeout=timeout)
    for how in (psutil.Process.terminate, psutil.Process.kill):
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                how(process)
        _, alive = psutil.wait_procs(alive, timeout=3)
        if not alive:
            return


class Lock:
    """An exclusive lock between commands of one home, taken for the length of a ``with``.

    Waits up to timeout seconds; raises Busy then. The kernel drops it when its holder
    dies, so it cannot go stale (flock(2)). In a folder outside of the home, it is a lock
    between homes.
    """

    def __init__(self, name: str, timeout: float = 120.0, folder: Path | None = None) -> None:
        self.path = (folder or paths.run_dir()) / f"{name}.lock"
        self.timeout = timeout

    def __enter__(self) -> Lock:
        self._file = self.path.open("w")
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    self._file.close()
                    raise Busy(self.path, self.timeout) from None
                time.sleep(0.1)

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()
