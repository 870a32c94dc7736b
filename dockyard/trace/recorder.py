"""Recording the API requests that pass the front door."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path

from dockyard.core import paths
from dockyard.exceptions import EngineNotRunning


@dataclass
class Exchange:
    """One request and what came of it.

    path is without API version and query. kind is ``plain``, ``stream`` or ``upgrade``;
    status is None while there is no answer, and duration_ms while it goes on. body is the
    request's JSON, without empty members when it is long and as text that is cut when it is
    still too long. sent and received are the bytes of the two bodies.
    """

    number: int
    method: str
    path: str
    query: str = ""
    version: str | None = None
    lesson: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None
    status: int | None = None
    kind: str = "plain"
    duration_ms: float | None = None
    sent: int = 0
    received: int = 0

    @property
    def target(self) -> str:
        """What the client asked for, as in the first line of its request."""
        version = f"/v{self.version}" if self.version else ""
        return version + self.path + (f"?{self.query}" if self.query else "")


class Recorder:
    """Records exchanges for the length of a ``with``: ``recorder.exchanges``, in order.

    With a lesson, only requests that name it or name none (curl). An exchange that still goes
    on at the end has no duration. timeout, in seconds, is for the front door's answers.
    Raises EngineNotRunning.
    """

    def __init__(
        self, lesson: str | None = None, *, socket_path: Path | None = None, timeout: float = 10.0
    ) -> None:
        self.exchanges: list[Exchange] = []
        self._lesson = lesson
        self._path = socket_path
        self._timeout = timeout
        self._by_number: dict[int, Exchange] = {}

    def __enter__(self) -> Recorder:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(self._timeout)
        try:
            self._socket.connect(str(self._path or paths.records_socket()))
        except OSError as error:
            self._socket.close()
            raise EngineNotRunning(f"Requests cannot be recorded ({error.strerror}).") from None
        self._file = self._socket.makefile("rwb")
        self._ask({"lesson": self._lesson}, "subscribed")
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.flush()
        finally:
            self._file.close()
            self._socket.close()

    def flush(self) -> None:
        """Take in everything that has happened up to now. Raises EngineNotRunning."""
        self._ask({"command": "flush"}, "flushed")

    def _ask(self, question: dict[str, object], until: str) -> None:
        try:
            self._file.write(json.dumps(question).encode() + b"\n")
            self._file.flush()
            for line in self._file:
                event = json.loads(line)
                if event["event"] == until:
                    return
                self._take(event)
        except OSError as error:
            raise EngineNotRunning(f"The recording was cut off ({error}).") from None
        raise EngineNotRunning("The recording was cut off.")

    def _take(self, event: dict) -> None:
        kind, number = event.pop("event"), event.pop("number", None)
        if kind == "request":
            exchange = Exchange(number, **event)
            self._by_number[number] = exchange
            self.exchanges.append(exchange)
        elif number in self._by_number:
            vars(self._by_number[number]).update(event)
