"""Recording the API requests that pass the front door."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field

from dockyard import paths
from dockyard.exceptions import EngineNotRunning


@dataclass
class Exchange:
    """One request and what came of it.

    path is without API version, with its query; ms is the duration in milliseconds, size the
    bytes of the response's body. kind is ``plain``, ``stream`` or ``upgrade``; status is None
    while there is no answer.
    """

    number: int
    method: str
    target: str
    path: str
    lesson: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None
    status: int | None = None
    kind: str = "plain"
    ms: float | None = None
    size: int = 0

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]


class Recorder:
    """Records exchanges for the length of a ``with``: ``recorder.exchanges``, in order.

    lesson restricts it to requests that name this lesson. Raises EngineNotRunning.
    """

    def __init__(self, lesson: str | None = None, timeout: float = 10.0) -> None:
        self.exchanges: list[Exchange] = []
        self._lesson = lesson
        self._timeout = timeout
        self._by_number: dict[int, Exchange] = {}

    def __enter__(self) -> Recorder:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(self._timeout)
        try:
            self._socket.connect(str(paths.run_dir() / "records.sock"))
        except OSError as error:
            self._socket.close()
            raise EngineNotRunning(f"Requests cannot be recorded ({error.strerror}).") from None
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self._ask(json.dumps({"lesson": self._lesson}), "subscribed")
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._ask("flush", "flushed")
        finally:
            self._file.close()
            self._socket.close()

    def _ask(self, line: str, until: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()
        for answer in self._file:
            event = json.loads(answer)
            if event["event"] == until:
                return
            self._take(event)

    def _take(self, event: dict) -> None:
        kind, number = event.pop("event"), event.pop("number")
        if kind == "request":
            exchange = Exchange(number, **event)
            self._by_number[number] = exchange
            self.exchanges.append(exchange)
        elif number in self._by_number:
            vars(self._by_number[number]).update(event)
