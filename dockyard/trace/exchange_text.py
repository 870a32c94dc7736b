"""An exchange as readable text and as a curl line, without ids and times that vary."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, quote

from dockyard.core import paths
from dockyard.trace.recorder import Exchange

SOCKET = '"$SOCKET"'
"""The shell variable that stands for the path of the daemon's socket, as in the lessons."""

ARCHIVE = "archive.tar"
"""The file name that stands for an archive sent to the daemon."""

ID = "{id}"
_ID = re.compile(r"\b(?:sha256:)?[0-9a-f]{64}\b|(?<![^/\"'])[0-9a-f]{12}(?![^/?\"'])")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?")
# Fields for which a client draws a new value each time.
_RANDOM_FIELDS = {"session": ID, "buildid": ID, "since": "{time}", "until": "{time}"}

# Values that only some versions of the docker client send. They change nothing.
_DEFAULTS = {
    "CheckDuplicate": True,
    "ConsoleSize": [0, 0],
    "MemorySwappiness": -1,
    "NetworkMode": "default",
    "RestartPolicy": {"Name": "no"},
    "Scope": "local",
    "default": {},
    "signal": "KILL",
}
# An empty value means something else than no value here (Docker Engine API).
_KEPT_EMPTY = {"Init", "Replicas", "StopTimeout"}
# Maps whose keys matter even when their values are empty.
_NAMED_BY_KEY = {"ExposedPorts", "Volumes", "Tmpfs", "Labels", "Options", "DriverOpts"}
# BuildKit and its client speak gRPC on these.
_GRPC = ("/grpc", "/session")
_PREFIX = "docker.io/library/"
_COMPOSE = "com.docker.compose."
_COMPOSE_KEPT = {f"{_COMPOSE}{name}" for name in ("project", "service", "network", "volume")}


def stable(text: str) -> str:
    """The text without ids, times and the path of the current folder."""
    text = _TIME.sub("{time}", _ID.sub(ID, text)).replace(_PREFIX, "")
    here = str(Path.cwd())
    return text.replace(here, ".") if len(here) > 1 else text


def path(exchange: Exchange, exact: bool = False) -> str:
    """The path, with ``{id}`` in place of ids unless exact."""
    return exchange.path if exact else stable(exchange.path)


def query(exchange: Exchange, exact: bool = False) -> list[tuple[str, str]]:
    """The decoded fields of the query, in order."""
    fields = parse_qsl(exchange.query)
    if exact:
        return fields
    return [
        (name, _RANDOM_FIELDS.get(name) or stable(value))
        for name, value in fields
        if _DEFAULTS.get(name) != value
    ]


def body(exchange: Exchange, exact: bool = False) -> object:
    """The body of the request without members that are ``0``, ``""``, ``null`` or a default."""
    return _without_defaults(exchange.body, clean=str if exact else stable)


def outcome(exchange: Exchange) -> str:
    """The status and, unless the response is plain, its kind."""
    status = str(exchange.status) if exchange.status is not None else "no answer yet"
    return status if exchange.kind == "plain" else f"{status} {exchange.kind}"


def phrase(exchange: Exchange) -> str:
    """HTTP's reason phrase for the status."""
    try:
        return HTTPStatus(exchange.status or 0).phrase
    except ValueError:
        return ""


def as_curl(exchange: Exchange, exact: bool = False) -> str:
    """The same request as a curl command line, or an empty string for gRPC.

    The line for an upgrade does not ask for one: the daemon then responds with the bare stream,
    which curl can show but not write to.
    """
    if exchange.path in _GRPC:
        return ""
    words = ["curl"]
    if exchange.kind != "plain":
        words.append("--no-buffer")
    words += ["--unix-socket", str(paths.front_door()) if exact else SOCKET]
    if exchange.method == "HEAD":
        words.append("--head")
    elif exchange.method != "GET":
        words += ["--request", exchange.method]
    if re.fullmatch("/images/.+/push", exchange.path):
        # The daemon requires a header with the login, even an empty one.
        words += ["--header", "X-Registry-Auth: e30="]
    if _carries_archive(exchange):
        words += ["--header", "Content-Type: application/x-tar", "--data-binary", f"@{ARCHIVE}"]
    if exchange.body is not None:
        content = body(exchange, exact)
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        words += ["--header", "Content-Type: application/json", "--data", text]
    fields = [f"{name}={_quoted(value)}" for name, value in query(exchange, exact)]
    target = path(exchange, exact) + ("?" + "&".join(fields) if fields else "")
    return " ".join(map(_shell_word, [*words, f"http://localhost{target}"]))


def _carries_archive(exchange: Exchange) -> bool:
    json_body = exchange.headers.get("content-type", "").startswith("application/json")
    return exchange.sent > 0 and exchange.kind != "upgrade" and not json_body


def _quoted(value: str) -> str:
    text = quote(value, safe="/:,")
    return text.replace("%7Bid%7D", ID).replace("%7Btime%7D", "{time}")


def _shell_word(word: str) -> str:
    return word if word == SOCKET else shlex.quote(word)


def _without_defaults(value: object, key: str = "", clean: Callable[[str], str] = stable) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        if key in _NAMED_BY_KEY:
            return {
                name: _without_defaults(item, "", clean)
                for name, item in value.items()
                if _is_kept(name)
            }
        kept = {name: _without_defaults(item, name, clean) for name, item in value.items()}
        return {
            name: item
            for name, item in kept.items()
            if _DEFAULTS.get(name) != item
            and (item or key == "EndpointsConfig" or (name in _KEPT_EMPTY and item is not None))
        }
    if isinstance(value, list):
        return [_without_defaults(item, "", clean) for item in value if item is not None]
    return value


def _is_kept(name: str) -> bool:
    return not name.startswith(_COMPOSE) or name in _COMPOSE_KEPT
