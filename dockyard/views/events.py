"""The daemon's event stream, read by one background thread for all views of a kernel.

Nothing is asked again and again: the thread sleeps in a read until the daemon has something to
say. Only while no daemon answers does it try once a second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import docker
import requests
import urllib3

from dockyard.core import docker_client
from dockyard.exceptions import DockyardError, EngineNotRunning

ACTIONS = {
    "container": (
        "create", "start", "die", "pause", "unpause", "restart", "oom", "rename", "update",
        "destroy", "health_status",
    ),
    "image": ("pull", "tag", "untag", "delete", "load", "import"),
    "network": ("create", "connect", "disconnect", "destroy", "remove"),
    "volume": ("create", "destroy"),
}  # fmt: skip
"""What views want to hear of, by type. Left out is what changes nothing that can be seen, such as
the exec of each health check (Docker Engine API: SystemEvents)."""

EXEC = "exec"
"""The kind of the event that a command in a container has ended, be it ``docker exec`` or a health
check. A kind of its own, so that only a view that asks for it looks again."""

_EXEC_ENDED = "exec_die"

RECONNECT = 1.0
"""Seconds between two attempts to find a daemon that has gone."""


@dataclass(frozen=True)
class Event:
    """Something that happened in the daemon.

    kind is the type of an object, EXEC, or ``daemon`` with the actions ``gone`` and ``back``.
    attributes of a container hold its labels too.
    """

    kind: str
    action: str
    id: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people call the object."""
        return self.attributes.get("name") or self.id

    @classmethod
    def parse(cls, message: dict) -> Event:
        """An event as the daemon words it."""
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
"""What the SDK raises when nobody answers any more, besides OSError."""


class EventStream:
    """The daemon's events for any number of listeners, each called in the one background thread.

    The thread runs while there is a listener. It hands an event to one after the other, so a
    listener never runs twice at the same time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._client: docker.DockerClient | None = None
        self._stream = None

    def subscribe(self, listener: Listener) -> None:
        """Call listener with each event from now on. Raises EngineNotRunning."""
        with self._lock:
            if self._thread is None:
                # Here and not in the thread: the caller sees the error, and no event is missed
                # between this call and its first look at the daemon.
                self._open()
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stop,), name="dockyard-events", daemon=True
                )
                self._thread.start()
            if listener not in self._listeners:
                self._listeners.append(listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Call listener no more; with the last one the thread ends."""
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
        """An SDK client for the listeners, shared like the stream."""
        return self._client

    @property
    def running(self) -> bool:
        """Whether the background thread is there."""
        return self._thread is not None

    def _open(self) -> None:
        self._client = docker_client.connect(untraced=True)
        actions = sorted({_EXEC_ENDED, *(one for each in ACTIONS.values() for one in each)})
        try:
            self._stream = self._client.events(
                decode=True, filters={"type": list(ACTIONS), "event": actions}
            )
        except UNREACHABLE as error:
            self._client.close()
            raise EngineNotRunning(str(error).splitlines()[0]) from None

    def _close(self) -> None:
        with suppress(OSError, AttributeError):
            # Wakes the thread up; OSError: the daemon has hung up before us.
            self._stream.close()
        with suppress(OSError):
            self._client.close()

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
            # AttributeError, ValueError: urllib3 reads from a socket that close() took away.
            for message in self._stream:
                if stop.is_set():
                    return
                self._tell(Event.parse(message))

    def _tell(self, event: Event) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(event)


STREAM = EventStream()
"""The one of this kernel."""
