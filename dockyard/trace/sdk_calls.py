"""Each exchange as the call of the Python SDK (docker-py) that sends it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dockyard.trace import exchange_text, sdk_creations
from dockyard.trace.python_code import Raw, literal, stored, with_arguments
from dockyard.trace.recorder import Exchange

Convert = Callable[[str], Any]
Fields = dict[str, tuple[str, Convert]]


def _flag(value: str) -> bool:
    return value.lower() in ("1", "true")


def _said(value: str) -> Raw:
    """A flag that is on when it is left out, and so must be said."""
    return Raw(_flag(value))


def _lines(value: str) -> int | None:
    return int(value) if value.isdecimal() else None


def _dockerfile(value: str) -> str | None:
    return None if value == "Dockerfile" else value


def _filters(value: str) -> dict[str, Any]:
    """``{"name": {"web": true}}``, as the API has it, as ``{"name": "web"}``."""
    chosen = {name: list(values) for name, values in json.loads(value).items()}
    return {name: values[0] if len(values) == 1 else values for name, values in chosen.items()}


_LIST: Fields = {
    "all": ("all", _flag), "limit": ("limit", int), "filters": ("filters", _filters),
}  # fmt: skip
_FILTERS: Fields = {"filters": ("filters", _filters)}
_STOP: Fields = {"t": ("timeout", int)}
_REMOVE: Fields = {"force": ("force", _flag), "v": ("v", _flag), "link": ("link", _flag)}
_LOGS: Fields = {
    "follow": ("stream", _flag), "timestamps": ("timestamps", _flag), "tail": ("tail", _lines),
}  # fmt: skip
_BUILD: Fields = {"t": ("tag", str), "dockerfile": ("dockerfile", _dockerfile)}
_ATTACH: Fields = {"stream": ("stream", _flag), "logs": ("logs", _flag)}

# Method, path, call, and which fields of the query become which arguments. {container} and its
# like stand for the object of that name, {1} for the first name in the path, {archive} for a file,
# other words for a field of the query (Docker Engine API, docker-py).
_CALLS: tuple[tuple[str, str, str, Fields], ...] = (
    ("(GET|HEAD)", "/_ping", "client.ping()", {}),
    ("GET", "/version", "client.version()", {}),
    ("GET", "/info", "client.info()", {}),
    ("GET", "/system/df", "client.df()", {}),
    ("GET", "/events", "client.events()", _FILTERS),
    ("GET", "/containers/json", "client.containers.list()", _LIST),
    ("POST", "/containers/prune", "client.containers.prune()", _FILTERS),
    ("GET", "/containers/(.+)/json", "container = client.containers.get({1})", {}),
    ("GET", "/containers/(.+)/logs", "{container}.logs()", _LOGS),
    ("GET", "/containers/(.+)/stats", "{container}.stats()", {"stream": ("stream", _said)}),
    ("GET", "/containers/(.+)/top", "{container}.top()", {}),
    ("GET", "/containers/(.+)/changes", "{container}.diff()", {}),
    ("GET", "/containers/(.+)/export", "{container}.export()", {}),
    ("GET", "/containers/(.+)/archive", "{container}.get_archive({path})", {}),
    ("PUT", "/containers/(.+)/archive", "{container}.put_archive({path}, {archive})", {}),
    ("POST", "/containers/(.+)/start", "{container}.start()", {}),
    ("POST", "/containers/(.+)/stop", "{container}.stop()", _STOP),
    ("POST", "/containers/(.+)/restart", "{container}.restart()", _STOP),
    ("POST", "/containers/(.+)/kill", "{container}.kill()", {"signal": ("signal", str)}),
    ("POST", "/containers/(.+)/pause", "{container}.pause()", {}),
    ("POST", "/containers/(.+)/unpause", "{container}.unpause()", {}),
    ("POST", "/containers/(.+)/wait", "{container}.wait()", {"condition": ("condition", str)}),
    ("POST", "/containers/(.+)/attach", "{container}.attach()", _ATTACH),
    ("POST", "/containers/(.+)/rename", "{container}.rename({name})", {}),
    ("POST", "/containers/(.+)/resize", "{container}.resize({h}, {w})", {}),
    ("DELETE", "/containers/(.+)", "{container}.remove()", _REMOVE),
    ("POST", "/commit", "{container}.commit({repo})", {"tag": ("tag", str)}),
    ("POST", "/exec/(.+)/start", "client.api.exec_start({1})", {}),
    ("POST", "/exec/(.+)/resize", "client.api.exec_resize({1}, {h}, {w})", {}),
    ("GET", "/exec/(.+)/json", "client.api.exec_inspect({1})", {}),
    ("GET", "/images/json", "client.images.list()", _LIST),
    ("GET", "/images/search", "client.images.search({term})", {}),
    ("POST", "/images/load", "client.images.load({archive})", {}),
    ("POST", "/images/prune", "client.images.prune()", _FILTERS),
    ("POST", "/build", 'client.images.build(path=".")', _BUILD),
    ("POST", "/build/prune", "client.api.prune_builds()", {}),
    ("GET", "/images/get", "client.images.get({names}).save()", {}),
    ("GET", "/images/(.+)/get", "{image}.save()", {}),
    ("GET", "/images/(.+)/history", "{image}.history()", {}),
    ("GET", "/images/(.+)/json", "image = client.images.get({1})", {}),
    ("POST", "/images/(.+)/push", "client.images.push({1})", {"tag": ("tag", str)}),
    ("POST", "/images/(.+)/tag", "{image}.tag({repo})", {"tag": ("tag", str)}),
    ("DELETE", "/images/(.+)", "client.images.remove({1})", {"force": ("force", _flag)}),
    ("GET", "/networks", "client.networks.list()", _FILTERS),
    ("POST", "/networks/prune", "client.networks.prune()", _FILTERS),
    ("GET", "/networks/([^/]+)", "network = client.networks.get({1})", {}),
    ("DELETE", "/networks/([^/]+)", "{network}.remove()", {}),
    ("GET", "/volumes", "client.volumes.list()", _FILTERS),
    ("POST", "/volumes/prune", "client.volumes.prune()", _FILTERS),
    ("GET", "/volumes/([^/]+)", "volume = client.volumes.get({1})", {}),
    ("DELETE", "/volumes/([^/]+)", "{volume}.remove()", {"force": ("force", _flag)}),
    ("GET", "/plugins", "client.plugins.list()", {}),
    ("GET", "/swarm", "client.swarm.reload()", {}),
    ("POST", "/swarm/leave", "client.swarm.leave()", {"force": ("force", _flag)}),
    ("GET", "/nodes", "client.nodes.list()", _FILTERS),
    ("GET", "/services", "client.services.list()", _FILTERS),
    ("GET", "/services/([^/]+)", "service = client.services.get({1})", {}),
    ("GET", "/services/(.+)/logs", "{service}.logs()", {}),
    ("DELETE", "/services/([^/]+)", "{service}.remove()", {}),
)


def as_sdk(exchange: Exchange, exact: bool = False) -> str:
    """The call that sends such a request; an empty string when the SDK has none.

    ``container`` and its like stand for an object that an id names.
    """
    path = exchange_text.path(exchange, exact)
    fields = exchange_text.query(exchange, exact)
    query = dict(fields)
    body = exchange_text.body(exchange, exact) or {}
    # The SDK says no field twice and speaks to the classic builder only, and of a body that was
    # too long to be kept nothing is known.
    if len(query) < len(fields) or query.get("version") == "2" or isinstance(body, str):
        return ""
    if exchange.method == "POST":
        for pattern, build in sdk_creations.CALLS:
            if found := re.fullmatch(pattern, path):
                return build(_groups(found), query, body)
    for method, pattern, template, known in _CALLS:
        if (found := re.fullmatch(pattern, path)) and re.fullmatch(method, exchange.method):
            filled = _HOLE.sub(lambda hole: _fill(hole[1], found, query), template)
            arguments = {
                name: convert(query[field])
                for field, (name, convert) in known.items()
                if query.get(field)
            }
            return with_arguments(filled, arguments)
    return ""


_HOLE = re.compile(r"{(\w+)}")
_KINDS = ("container", "image", "network", "volume", "service")


def _fill(hole: str, found: re.Match[str], query: dict[str, str]) -> str:
    if hole == "1":
        return literal(found[1])
    if hole in _KINDS:
        return stored(hole, _groups(found) or query.get(hole, exchange_text.ID))
    if hole == "archive":
        return f'open({literal(exchange_text.ARCHIVE)}, "rb")'
    value = query.get(hole, hole)
    return value if value.isdecimal() else literal(value)


def _groups(found: re.Match[str]) -> str:
    return found[1] if found.re.groups else ""
