"""Reads the daemon's event stream, in one background thread for all views of a kernel.

Nothing is polled: the thread blocks in a read until the daemon sends an event. Only while no
daemon answers, the thread tries to reconnect once a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import docker
import requests
import urllib3

from dockyard.core import docker_client
from dockyard.exceptions import DockyardError, EngineNotRunning

if TYPE_CHECKING:
    from docker.types.daemon import CancellableStream

ACTIONS = {
    "container": (
        "create", "start", "die", "pause", "unpause", "restart", "oom", "rename", "update",
        "destroy", "health_status",
    ),
    "image": ("pull", "tag", "untag", "delete", "load", "import"),
    "network": ("create", "connect", "disconnect", "destroy", "remove"),
    "volume": ("create", "destroy"),
}  # fmt: skip
"""The events that views receive, by type of object. Events without a visible effect, such as the
exec of each health check, are left out (Docker Engine API: SystemEvents)."""

EXEC = "exec"
"""The kind of the event for an exited command in a container: ``docker exec`` or a health check.
It is a separate kind, so that only the views that list it look again."""

_EXEC_ENDED = "exec_die"

RECONNECT = 1.0
"""Seconds between two attempts to reconnect."""


@dataclass(frozen=True)
class Event:
    """An event of the daemon.

    kind is the type of an object, EXEC, or ``daemon`` with the actions ``gone`` and ``back``.
    The attributes of a container include its labels.
    """

    kind: str
    action: str
    id: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The object's name, or its id if it has none."""
        return self.attributes.get("name") or self.id

    @classmethod
    def parse(cls, message: dict) -> Event:
        """Parse an event of the Docker Engine API."""
        actor = message.get("Actor", {})
        # "health_status: healthy" carries its result in its name.
        action, _, result = message.get("Action", "").partition(": ")
        attributes = actor.get("Attributes") or {}
        if result:
            attributes = attributes | {"result": result}
        kind = EXEC if action == _EXEC_ENDED else message.get("Type", "")
        return cls(kind, action, actor.get("ID", ""), attributes)


Listener = Callable[[Event], None]

UNREACHABLE = (
    docker.errors.DockerException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)
"""What the SDK raises, besides OSError, when the daemon does not answer."""


class EventStream:
    """Calls any number of listeners with each event, in one background thread.

    The thread runs while there are listeners. It calls them one after the other, so a listener
    never runs twice at the same time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._client: docker.DockerClient | None = None
        self._stream: CancellableStream[dict] | None = None

    def subscribe(self, listener: Listener) -> None:
        """Call listener with each event from now on. Raises EngineNotRunning."""
        with self._lock:
            if self._thread is None:
                # Not in the thread: the caller gets the error, and misses no event between this
                # call and its first look at the daemon.
                self._open()
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stop,), name="dockyard-events", daemon=True
                )
                self._thread.start()
            if listener not in self._listeners:
                self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Stop calling listener. The thread exits with the last one."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
            if self._listeners or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._stop.set()
            self._close()
        if thread is not threading.current_thread():
            thread.join(timeout=5)

    @property
    def daemon(self) -> docker.DockerClient:
        """The SDK client that all listeners share. Raises EngineNotRunning if there is none."""
        if self._client is None:
            raise EngineNotRunning()
        return self._client

    @property
    def running(self) -> bool:
        """Whether the background thread runs."""
        return self._thread is not None

    def _open(self) -> None:
        client = self._client = docker_client.connect(untraced=True)
        actions = sorted({_EXEC_ENDED, *(one for each in ACTIONS.values() for one in each)})
        try:
            self._stream = client.events(
                decode=True, filters={"type": list(ACTIONS), "event": actions}
            )
        except UNREACHABLE as error:
            client.close()
            raise EngineNotRunning(str(error).splitlines()[0]) from None

    def _close(self) -> None:
        # Wakes the thread. OSError: the daemon has closed the connection already.
        for each in (self._stream, self._client):
            with suppress(OSError, AttributeError):
                if each is not None:
                    each.close()

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._read(stop)
            if stop.is_set():
                return
            self._tell(Event("daemon", "gone"))
            while not stop.wait(RECONNECT):
                with suppress(DockyardError, OSError, *UNREACHABLE):
                    self._open()
                    break
            else:
                return
            self._tell(Event("daemon", "back"))

    def _read(self, stop: threading.Event) -> None:
        with suppress(OSError, AttributeError, ValueError, *UNREACHABLE):
            # AttributeError, ValueError: urllib3 reads from a socket that close() has removed.
            for message in self._stream or ():
                if stop.is_set():
                    return
                self._tell(Event.parse(message))

    def _tell(self, event: Event) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(event)


STREAM = EventStream()
"""The stream of this kernel."""
