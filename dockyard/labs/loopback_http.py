"""HTTP requests to servers on this computer. They never use a proxy."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT = 15
"""Seconds. The kernel accepts a connection long before a server on a busy computer answers."""


@dataclass(frozen=True)
class Answer:
    """The answer to a request."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    def document(self) -> dict[str, Any]:
        """The JSON object in the text; empty when the text is anything else."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def get(
    port: int,
    path: str,
    trust: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one GET to 127.0.0.1, over TLS when trust is given.

    Raises OSError or http.client.HTTPException.
    """
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT, context=trust)
        if trust
        else http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    )
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode(errors="replace"))
    finally:
        connection.close()


def reason(error: Exception) -> str:
    """Why a connection failed, without the number of the error."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
