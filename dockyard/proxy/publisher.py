"""Publishes the exchanges that pass the front door to subscribers; without any, it does nothing."""

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
"""How many bytes of a request's body are kept for its record."""

SHORT_BODY = 4 * 1024
"""The most characters of a body that are published."""

BACKLOG_LIMIT = 64 * 1024 * 1024
"""How many bytes may wait for a slow subscriber before it is disconnected."""

HIDDEN = "…"

_SECRET_HEADERS = {b"x-registry-auth", b"x-registry-config", b"authorization", b"cookie"}
_SECRET_KEYS = {"password", "identitytoken", "registrytoken", "auth", "jointoken", "unlockkey"}

_STREAMS = {
    "GET": r"/events|/images/get|/images/.+/get|/containers/[^/]+/(logs|stats|export|archive)"
    r"|/services/[^/]+/logs|/tasks/[^/]+/logs",
    "POST": r"/build|/session|/grpc|/images/(create|load)|/images/.+/push|/plugins/pull"
    r"|/containers/[^/]+/(attach|wait)|/exec/[^/]+/start",
    "PUT": r"/containers/[^/]+/archive",
}


def is_stream(method: str, path: str, query: str = "") -> bool:
    """Whether an endpoint responds piece by piece while something happens.

    path has no API version. The request alone decides, because the daemon also sends long
    responses in chunks.
    """
    if re.search(r"(^|&)stream=(0|false)", query, re.IGNORECASE):
        return False
    return bool(re.fullmatch(_STREAMS.get(method, "(?!)"), path))


class ExchangeRecord:
    """One request and its response, published as three events: request, response and end."""

    def __init__(self, publisher: Publisher, number: int, head: Head) -> None:
        self._publisher = publisher
        self._started = time.monotonic()
        self._open = True
        lesson = head.get(LESSON_HEADER)
        method = head.method.decode()
        self._number = number
        self._lesson = lesson.decode("utf-8", "replace") if lesson else None
        self._path = head.path
        self.json = (head.get(b"content-type") or b"").startswith(b"application/json")
        self.kind = "stream" if is_stream(method, head.path, head.query) else "plain"
        self.status: int | None = None
        self.body = b""
        self.sent = 0
        self.received = 0
        publisher.publish(
            self._lesson,
            event="request",
            number=number,
            lesson=self._lesson,
            method=method,
            path=head.path,
            query=head.query,
            version=head.version,
            headers=_public_headers(head.headers),
        )

    def respond(self, head: Head) -> None:
        """Record the head of the response."""
        self.status = head.status
        if head.hijacks:
            self.kind = "upgrade"
        elif head.status >= 400:
            self.kind = "plain"
        self._publisher.publish(
            self._lesson, event="response", number=self._number, status=self.status, kind=self.kind
        )

    def end(self) -> None:
        """Record the end of the response or of the connection. Further calls do nothing."""
        if not self._open:
            return
        self._open = False
        self._publisher.publish(
            self._lesson,
            event="end",
            number=self._number,
            status=self.status,
            kind=self.kind,
            duration_ms=round((time.monotonic() - self._started) * 1000, 3),
            sent=self.sent,
            received=self.received,
            body=shorten(self._path, self.body) if self.json else None,
        )


class Publisher:
    """Sends events to subscribers and numbers the exchanges."""

    def __init__(self) -> None:
        self._subscribers: dict[asyncio.StreamWriter, str | None] = {}
        self._number = 0

    def begin(self, head: Head) -> ExchangeRecord | None:
        """Start a record, unless there is no subscriber or the request asks for none."""
        if not self._subscribers or head.get(UNTRACED_HEADER) is not None:
            return None
        self._number += 1
        return ExchangeRecord(self, self._number, head)

    def subscribe(self, subscriber: asyncio.StreamWriter, lesson: str | None) -> None:
        """Send a subscriber the exchanges of one lesson, or of all.

        A request that names no lesson, such as curl's, goes to every subscriber.
        """
        self._subscribers[subscriber] = lesson

    def unsubscribe(self, subscriber: asyncio.StreamWriter) -> None:
        """Stop sending to a subscriber."""
        self._subscribers.pop(subscriber, None)

    def publish(self, lesson: str | None, /, **event: object) -> None:
        """Send one event to the subscribers of a lesson."""
        line = None
        for subscriber, wanted in list(self._subscribers.items()):
            if wanted is None or lesson is None or wanted == lesson:
                line = line or json.dumps(event).encode() + b"\n"
                if subscriber.transport.get_write_buffer_size() > BACKLOG_LIMIT:
                    subscriber.transport.abort()
                else:
                    subscriber.write(line)


def shorten(path: str, body: bytes) -> object:
    """A JSON body without secrets, in at most SHORT_BODY characters; None when it is empty.

    Empty members are removed from a long body. One that is still too long becomes text and is
    cut.
    """
    if not body:
        return None
    try:
        document = _hide_secrets(json.loads(body), path)
    except (ValueError, RecursionError):
        return HIDDEN
    for candidate in (document, _without_empty(document)):
        text = json.dumps(candidate)
        if len(text) <= SHORT_BODY:
            return candidate
    return text[:SHORT_BODY] + HIDDEN


def _hide_secrets(value: object, path: str) -> object:
    if isinstance(value, dict):
        secret = _SECRET_KEYS | ({"data"} if path.startswith("/secrets/") else set())
        return {
            key: HIDDEN if item and key.lower() in secret else _hide_secrets(item, path)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_hide_secrets(item, path) for item in value]
    return value


def _without_empty(value: object) -> object:
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item or item is False}
    if isinstance(value, list):
        return [_without_empty(item) for item in value if item is not None]
    return value


def _public_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {
        key.decode("latin-1"): HIDDEN if key in _SECRET_HEADERS else value.decode("latin-1")
        for key, value in headers
        if key not in (LESSON_HEADER, UNTRACED_HEADER)
    }
