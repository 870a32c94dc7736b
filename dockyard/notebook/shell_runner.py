"""Runs the commands of ``!`` lines and ``%%bash`` cells through pipes.

IPython uses a pseudo-terminal: 0.11 s slower, with progress bars and CR LF in stored outputs.
Here standard output and error are merged in the order of writing, and the first interrupt ends the
command as Ctrl-C does at a terminal.
"""

from __future__ import annotations

import codecs
import contextvars
import math
import os
import select
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Self

from dockyard.notebook.cell_output import Sink

SHELL = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"

INTERRUPTED = 128 + signal.SIGINT
"""The exit code of a command that was interrupted."""
GRACE = 1.0
"""Seconds that an interrupted command has to end by itself."""
LAST_WORDS = 0.1
"""Seconds in which the output of a process that outlives the shell is still waited for."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    """128 + signal when a signal killed it, as in the shell."""
    interrupted: bool = False
    killed: bool = False
    """Whether it went on after the interrupt and was killed."""
    group: int = 0
    """The process group that runs on in the background; 0 when nothing does."""


def run(command: str, output: Sink, *, capture: Sink | None = None, shell: str = SHELL) -> Outcome:
    """Run a shell command and stream its output.

    With capture, standard output goes there and only standard error to output. An interrupt
    (SIGINT) sends SIGINT to the command; after GRACE seconds, or at a second interrupt, the
    command is killed. Returns when the shell has exited, even if a process that it started in
    the background has not; what that process writes still goes to output.
    """
    with _Wakes() as wakes:
        child = subprocess.Popen(
            [shell, "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if capture else subprocess.STDOUT,
            start_new_session=True,
        )
        readers = _Readers()
        assert child.stdout
        readers.add(child.stdout, capture or output)
        if child.stderr:
            readers.add(child.stderr, output)
        interrupted, killed = _follow(child, readers, wakes)
    code = child.wait()
    code = 128 - code if code < 0 else code
    if interrupted and (killed or code == 0):
        code = INTERRUPTED
    if not readers.open:
        return Outcome(code, interrupted, killed)
    # The context says which cell's output it is (ipykernel.iostream.OutStream).
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(readers.read_all,), daemon=True).start()
    return Outcome(code, interrupted, killed, child.pid if _exists(child.pid) else 0)


def _follow(child: subprocess.Popen[bytes], readers: _Readers, wakes: _Wakes) -> tuple[bool, bool]:
    """Read until the child exits; return whether it was interrupted, and whether killed."""

    def wait() -> None:
        child.wait()
        wakes.send(_Wakes.EXIT)

    threading.Thread(target=wait, daemon=True).start()
    interrupts, killed, exited = 0, False, False
    deadline: float | None = None
    readers.poll.register(wakes.descriptor, select.POLLIN)
    while not exited or readers.open:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            if exited:
                break
            killed, deadline = True, None
            _signal(child.pid, signal.SIGKILL)
            continue
        if not readers.read(left, wakes.descriptor):
            continue
        for wake in wakes.receive():
            if wake == _Wakes.EXIT:
                exited, deadline = True, time.monotonic() + LAST_WORDS
            elif not exited:
                interrupts += 1
                deadline = time.monotonic() + (GRACE if interrupts == 1 else 0)
                _signal(child.pid, signal.SIGINT)
    readers.poll.unregister(wakes.descriptor)
    return interrupts > 0, killed


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class _Wakes:
    """A pipe that wakes up the reader of the output: for an interrupt, and when the child exits.

    Interrupts that arrive meanwhile do not raise KeyboardInterrupt.
    """

    EXIT, INTERRUPT = b"xi"

    def __enter__(self) -> Self:
        self.descriptor, self._sender = os.pipe()
        # Python runs signal handlers in the main thread only.
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            self._before = signal.signal(signal.SIGINT, lambda *_: self.send(self.INTERRUPT))
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_main:
            signal.signal(signal.SIGINT, self._before)
        os.close(self.descriptor)
        os.close(self._sender)

    def send(self, wake: int) -> None:
        os.write(self._sender, bytes([wake]))

    def receive(self) -> bytes:
        return os.read(self.descriptor, 64)


class _Readers:
    """The pipes of a command, and where their text goes."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.open: dict[int, tuple[IO[bytes], Sink, codecs.IncrementalDecoder]] = {}

    def add(self, pipe: IO[bytes], sink: Sink) -> None:
        # Incremental: a read can end within a character.
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self.open[pipe.fileno()] = (pipe, sink, decoder)
        self.poll.register(pipe.fileno(), select.POLLIN)

    def read(self, seconds: float | None, *others: int) -> bool:
        """Wait for text, at most so many seconds; return whether another descriptor is ready."""
        due = [left for _, sink, _ in self.open.values() if (left := sink.paint()) is not None]
        due += [] if seconds is None else [max(seconds, 0)]
        ready = self.poll.poll(math.ceil(min(due) * 1000) if due else None)
        found = False
        for descriptor, _ in ready:
            if descriptor in others:
                found = True
            else:
                self._take(descriptor)
        return found

    def read_all(self) -> None:
        """Read until all pipes are closed."""
        while self.open:
            self.read(None)

    def _take(self, descriptor: int) -> None:
        pipe, sink, decoder = self.open[descriptor]
        chunk = os.read(descriptor, 65536)
        sink.write(decoder.decode(chunk, final=not chunk))
        if not chunk:
            sink.close()
            self.poll.unregister(descriptor)
            pipe.close()
            del self.open[descriptor]
