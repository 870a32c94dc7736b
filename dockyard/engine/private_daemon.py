"""What the engines share whose daemon the course starts as a process of this host."""

from __future__ import annotations

import os
import platform
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from dockyard.core import paths, wait
from dockyard.core.console import Say
from dockyard.core.process import Service, end
from dockyard.engine.base import (
    LARGER_DISK,
    Endpoint,
    Engine,
    Need,
    answers,
    disk_space,
    free_space,
)
from dockyard.exceptions import (
    DiskFull,
    EngineStartFailed,
    EngineStartTimeout,
    EngineUnavailable,
)

ROOM_NEEDED = 3 * 1024**3
"""Free bytes below which no daemon is started: the images and layers of all lessons."""


class DaemonEngine(Engine):
    """A daemon that the course starts on this host and reaches by a UNIX socket."""

    socket: Path
    daemon: Service

    def needs(self) -> list[Need]:
        """Linux, what the kind of daemon needs, and disk space."""
        return [*self._needs_to_run(), disk_space(ROOM_NEEDED, LARGER_DISK)]

    def _needs_to_run(self) -> Iterator[Need]:
        system = platform.system()
        yield Need("Linux", system == "Linux", system)
        yield from self._needs()

    @abstractmethod
    def _needs(self) -> Iterator[Need]:
        """The needs besides Linux and disk space."""

    def endpoint(self) -> Endpoint | None:
        """The daemon's socket, if it answers.

        A killed daemon can answer for a moment longer than the process that started it lives.
        """
        if self.daemon.process() is None or not answers(self.socket):
            return None
        return Endpoint(f"unix://{self.socket}")

    def start(self, say: Say, *, mirror: str | None = None) -> Endpoint:
        """Start the daemon, or find it running.

        Raises EngineUnavailable, DiskFull, InstallFailed, EngineStartFailed or
        EngineStartTimeout.
        """
        if running := self.endpoint():
            return running
        self._check_needs()
        self._check_room()
        self._prepare(say)
        self.stop(say)  # removes what a killed daemon left behind
        self.socket.unlink(missing_ok=True)  # so that nothing else answers for the new one
        self._start(mirror)
        self.socket.chmod(0o600)
        return Endpoint(f"unix://{self.socket}")

    def _check_needs(self) -> None:
        for need in self._needs_to_run():
            if need.blocks:
                raise EngineUnavailable(
                    f"The {self.name} engine cannot run here: {need.name} is needed.",
                    f"Found: {need.found}.",
                    f"Next:  {need.next or 'python3 -m dockyard doctor'}",
                )

    def _check_room(self) -> None:
        free = free_space(paths.home())
        if free < ROOM_NEEDED:
            raise DiskFull(
                f"Only {free / 1e9:.1f} GB are free in {paths.home()}.",
                f"The engine and its images need {ROOM_NEEDED / 1e9:.1f} GB.",
                f"Free some space, or choose another disk:  {LARGER_DISK}",
            )

    @abstractmethod
    def _prepare(self, say: Say) -> None:
        """Fetch the programs that are missing."""

    @abstractmethod
    def _start(self, mirror: str | None) -> None:
        """Start the daemon and wait until it answers. Nothing of an earlier run is left."""

    def _wait_for_daemon(self) -> None:
        wait_for(
            self.daemon, f"{self.daemon.name} to answer", lambda: answers(self.socket), timeout=60
        )


def wait_for(service: Service, what: str, probe: Callable[[], bool], timeout: float) -> None:
    """Wait until probe returns true; timeout is in seconds.

    Raises EngineStartFailed if the service exits first, EngineStartTimeout after timeout.
    """

    def ready() -> bool:
        if probe():
            return True
        next = f"Read {service.log}, then:  python3 -m dockyard doctor"
        service.raise_if_ended(EngineStartFailed, service.name, next, lines=8)
        return False

    wait.until(
        what,
        ready,
        timeout=timeout,
        interval=0.02,
        log=service.log,
        error=EngineStartTimeout,
        next="Try once more:  python3 -m dockyard engine stop, then engine start",
    )


def processes_naming(*marks: str) -> Iterator[tuple[psutil.Process, str]]:
    """The processes with one of marks in an argument, each with its program's file name."""
    wanted = [os.fsencode(mark) for mark in marks]
    # Not psutil.process_iter(), which takes ten times as long.
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError, psutil.Error):
            words = file.read_bytes().split(b"\0")
            if any(mark in word for mark in wanted for word in words):
                yield psutil.Process(int(file.parent.name)), Path(os.fsdecode(words[0])).name


def kill_with_children(processes: Iterable[psutil.Process]) -> None:
    """Kill processes and all their descendants; SIGTERM first."""
    family = set()
    for process in processes:
        family.add(process)
        with suppress(psutil.NoSuchProcess):
            family.update(process.children(recursive=True))
    end(sorted(family, key=lambda process: process.pid), timeout=0)
