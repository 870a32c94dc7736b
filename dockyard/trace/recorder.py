"""Records the API requests that pass the front door."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockyard.core import paths
from dockyard.exceptions import EngineNotRunning


@dataclass
class Exchange:
    """One request and its response.

    path has no API version and no query. kind is ``plain``, ``stream`` or ``upgrade``. status is
    None until the daemon responds, duration_ms until the response ends. body is the request's
    JSON: without empty members when it is long, and cut text when it is still too long. sent and
    received are the sizes of the two bodies in bytes.
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
        """The request target, as in the first line of the request."""
        version = f"/v{self.version}" if self.version else ""
        return version + self.path + (f"?{self.query}" if self.query else "")


class Recorder:
    """A context manager that records exchanges in ``exchanges``, in order.

    With a lesson, it records only requests that name that lesson or none (curl). An exchange
    that has not ended by the end of the block has no duration. timeout, in seconds, is how long
    to wait for the front door. Raises EngineNotRunning.
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
        """Wait for the records of everything up to now. Raises EngineNotRunning."""
        self._ask({"command": "flush"}, "flushed")

    def _ask(self, command: dict[str, object], until: str) -> None:
        try:
            self._file.write(json.dumps(command).encode() + b"\n")
            self._file.flush()
            for line in self._file:
                event = json.loads(line)
                if event["event"] == until:
                    return
                self._take(event)
        except OSError as error:
            raise EngineNotRunning(
                f"The front door stopped during the recording ({error})."
            ) from None
        raise EngineNotRunning("The front door stopped during the recording.")

    def _take(self, event: dict[str, Any]) -> None:
        kind, number = event.pop("event"), event.pop("number", None)
        if kind == "request":
            exchange = Exchange(number, **event)
            self._by_number[number] = exchange
            self.exchanges.append(exchange)
        elif number in self._by_number:
            vars(self._by_number[number]).update(event)
