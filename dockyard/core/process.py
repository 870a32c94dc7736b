"""Background services that outlive the command that starts them, and locks between commands."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from dockyard.core import paths, wait
from dockyard.exceptions import Busy, DockyardError

# Popen warns when it is garbage-collected while its process runs, as a service's does.
_STARTED: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Service:
    """A background process with a pid file and a log, found by name by later commands.

    The pid file holds the process id and its start time (see _started), so that another process
    that got the same id is not mistaken for the service.
    """

    name: str

    @property
    def pid_file(self) -> Path:
        """The file with the process id and start time, in JSON."""
        return paths.run_dir() / f"{self.name}.pid"

    @property
    def log(self) -> Path:
        """The file that receives the process's output."""
        return paths.logs() / f"{self.name}.log"

    def start(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> psutil.Process:
        """Start argv in a session of its own and write the pid file.

        env is added to this process's environment; cwd defaults to this process's. Raises
        OSError when the program cannot be run.
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
        """The running process, or None when it has exited or was never started."""
        try:
            pid, started = json.loads(self.pid_file.read_text())
            found = psutil.Process(pid)
            # Earlier editions wrote the creation time; services that they started may still run.
            if started not in (_started(found), found.create_time()):
                return None
            if found.status() == psutil.STATUS_ZOMBIE:
                return None
        except (OSError, ValueError, TypeError, OverflowError, RecursionError, psutil.Error):
            return None
        return found

    def raise_if_ended(
        self, error: type[DockyardError], title: str, next: str, lines: int = 5
    ) -> Literal[False]:
        """Raise error, with the log's last lines, when the process has exited; else return False.

        For probes such as ``lambda: answers() or service.raise_if_ended(...)``.
        """
        if self.process() is None:
            raise error(f"{title} ended instead of starting.", wait.tail(self.log, lines), next)
        return False

    def stop(self, timeout: float = 15.0, *, given: Sequence[str] = ()) -> None:
        """Terminate the process and its children; kill what still runs after timeout seconds.

        given are arguments that no other program has, one after the other: by them the service is
        found when its pid file is gone with the run folder.
        """
        found = [self.process()]
        found += _given(given) if given else ()
        for process in filter(None, found):
            with contextlib.suppress(psutil.NoSuchProcess):
                family = [process, *process.children(recursive=True)]
                process.terminate()
                end(family, timeout)
        self.pid_file.unlink(missing_ok=True)


def _started(process: psutil.Process) -> float:
    """The start time of a process, in seconds on the monotonic clock.

    psutil derives create_time() on Linux from the time of boot, which shifts when the wall clock
    is set. After a virtual machine was suspended, no service would be recognised by it.
    """
    started: float = process._ident[1]  # type: ignore[attr-defined]  # psutil has no public name
    return started


def _given(words: Sequence[str]) -> Iterator[psutil.Process]:
    """The processes that were given these arguments, one after the other."""
    wanted = b"".join(b"\0" + os.fsencode(word) for word in (*words, ""))
    # Not psutil.process_iter(), which takes ten times as long.
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError, psutil.Error):
            if wanted in file.read_bytes():
                yield psutil.Process(int(file.parent.name))


def end(processes: Sequence[psutil.Process], timeout: float) -> None:
    """Wait up to timeout seconds until all processes have exited, then terminate and kill."""
    _, alive = psutil.wait_procs(processes, timeout=timeout)
    for how in (psutil.Process.terminate, psutil.Process.kill):
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                how(process)
        _, alive = psutil.wait_procs(alive, timeout=3)
        if not alive:
            return


def terminate_helpers() -> None:
    """Terminate the programs that this process runs and waits for.

    Those are its descendants in its own session; services have sessions of their own.
    """
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if os.getsid(child.pid) == os.getsid(0):
                child.terminate()


class Lock:
    """An exclusive lock between commands, held for the length of a ``with`` block.

    Waits up to timeout seconds, then raises Busy. It excludes threads of one process as well as
    processes, and the kernel releases it when its holder exits, so it cannot go stale (flock(2)).
    By default the lock is between commands of one home; a shared folder makes it a lock between
    homes.
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
