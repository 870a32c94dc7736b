"""Tells subscribers what passes through the front door, and costs nothing without them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable

from dockyard.core import labels
from dockyard.proxy.http_message import Head
from dockyard.proxy.labelling import LESSON_HEADER

UNTRACED_HEADER = labels.UNTRACED_HEADER.lower().encode()
BODY_LIMIT = 64 * 1024
FOLDED = 4 * 1024
HIDDEN = "…"

_VERSION = re.compile(r"^/v(\d+\.\d+)(?=/)")
_SECRET_HEADERS = {b"x-registry-auth", b"x-registry-config", b"authorization", b"cookie"}
_SECRET_KEYS = {"password", "identitytoken", "registrytoken", "auth", "jointoken", "unlockkey"}

_STREAMS = {
    "GET": r"/events|/images/get|/images/.+/get|/containers/[^/]+/(logs|stats|export|archive)"
    r"|/services/[^/]+/logs|/tasks/[^/]+/logs",
    "POST": r"/build|/session|/grpc|/images/(create|load)|/images/.+/push|/plugins/pull"
    r"|/containers/[^/]+/(attach|wait)|/exec/[^/]+/start",
    "PUT": r"/containers/[^/]+/archive",
}


def streams(method: str, path: str, query: str = "") -> bool:
    """Whether an endpoint answers bit by bit while something happens. path has no version.

    It depends on the request alone, because the daemon also sends long answers in pieces.
    """
    if re.search(r"(^|&)stream=(0|false)", query, re.IGNORECASE):
        return False
    return bool(re.fullmatch(_STREAMS.get(method, "(?!)"), path))


class Entry:
    """One exchange while it goes on."""

    def __init__(self, journal: Journal, number: int, head: Head) -> None:
        self._journal = journal
        self._started = time.monotonic()
        self._open = True
        path, _, query = head.target.decode("latin-1").partition("?")
        version = _VERSION.match(path)
        lesson = head.get(LESSON_HEADER)
        self.number = number
        self.lesson = lesson.decode("utf-8", "replace") if lesson else None
        self.method = head.method.decode()
        self.path = path[version.end() :] if version else path
        self.json = (head.get(b"content-type") or b"").startswith(b"application/json")
        self.kind = "stream" if streams(self.method, self.path, query) else "plain"
        self.status: int | None = None
        self.body = b""
        self.sent = 0
        self.received = 0
        journal.publish(
            self.lesson,
            event="request",
            number=number,
            lesson=self.lesson,
            method=self.method,
            path=self.path,
            query=query,
            version=version[1] if version else None,
            headers=_shown(head.headers),
        )

    def answer(self, head: Head) -> None:
        """The head of the answer has come."""
        self.status = head.status
        if head.switches:
            self.kind = "upgrade"
        elif head.status >= 400:
            self.kind = "plain"
        self._journal.publish(
            self.lesson, event="response", number=self.number, status=self.status, kind=self.kind
        )

    def end(self) -> None:
        """The answer is complete, or the connection has ended. Only the first call counts."""
        if not self._open:
            return
        self._open = False
        self._journal.publish(
            self.lesson,
            event="end",
            number=self.number,
            status=self.status,
            kind=self.kind,
            duration_ms=round((time.monotonic() - self._started) * 1000, 3),
            sent=self.sent,
            received=self.received,
            body=fold(self.path, self.body) if self.json else None,
        )


class Journal:
    """The subscribers, and the number of the last exchange."""

    def __init__(self) -> None:
        self._subscribers: dict[asyncio.StreamWriter, str | None] = {}
        self._number = 0

    def begin(self, head: Head) -> Entry | None:
        """Start an entry, unless nobody would read it."""
        if not self._subscribers or head.get(UNTRACED_HEADER) is not None:
            return None
        self._number += 1
        return Entry(self, self._number, head)

    def subscribe(self, subscriber: asyncio.StreamWriter, lesson: str | None) -> None:
        """Send a subscriber the exchanges of one lesson, or all.

        A client that does not say which lesson it belongs to (curl) belongs to each.
        """
        self._subscribers[subscriber] = lesson

    def unsubscribe(self, subscriber: asyncio.StreamWriter) -> None:
        """Send nothing more."""
        self._subscribers.pop(subscriber, None)

    def publish(self, of: str | None, **event: object) -> None:
        """Send one event to those who want this lesson."""
        line = None
        for subscriber, wanted in list(self._subscribers.items()):
            if wanted is None or of is None or wanted == of:
                line = line or json.dumps(event).encode() + b"\n"
                if subscriber.transport.get_write_buffer_size() > 64 * 1024 * 1024:
                    # It does not read; the exchanges of others must not wait for it.
                    subscriber.transport.abort()
                else:
                    subscriber.write(line)


def fold(path: str, body: bytes) -> object:
    """A JSON body in at most FOLDED bytes, without secrets; None when there is none.

    Members that are empty go first; what is then still too long becomes text that is cut.
    """
    if not body:
        return None
    try:
        document = _hide(json.loads(body), path)
    except (ValueError, RecursionError):
        return HIDDEN
    for candidate in (document, _without_empty(document)):
        text = json.dumps(candidate)
        if len(text) <= FOLDED:
            return candidate
    return text[:FOLDED] + HIDDEN


def _hide(value: object, path: str) -> object:
    if isinstance(value, dict):
        secret = _SECRET_KEYS | ({"data"} if path.startswith("/secrets/") else set())
        return {
            key: HIDDEN if item and key.lower() in secret else _hide(item, path)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_hide(item, path) for item in value]
    return value


def _without_empty(value: object) -> object:
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item or item is False}
    if isinstance(value, list):
        return [_without_empty(item) for item in value if item is not None]
    return value


def _shown(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {
        key.decode("latin-1"): HIDDEN if key in _SECRET_HEADERS else value.decode("latin-1")
        for key, value in headers
        if key not in (LESSON_HEADER, UNTRACED_HEADER)
    }
