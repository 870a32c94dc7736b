"""The call of the Python SDK (docker-py) that sends the same request.

Covers the requests of the lessons that show ``%%trace``: those of ``docker run``, ``ps``, ``exec``,
``logs``, ``pull``, ``build`` and ``docker compose up``, and the life of containers, networks and
volumes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dockyard.trace import exchange_text
from dockyard.trace.python_code import add_arguments, literal
from dockyard.trace.recorder import Exchange

NO_CODE = "no SDK code for this request"

Members = dict[str, Any]
Query = dict[str, str]


def as_sdk(exchange: Exchange, exact: bool = False) -> str:
    """The SDK call that sends such a request, or an empty string for a request not covered.

    ``container`` and its like stand for the object that an id names. A comment names what the
    request says and the call does not.
    """
    fields = exchange_text.query(exchange, exact)
    body = exchange_text.body(exchange, exact) or {}
    query, members = dict(fields), body if isinstance(body, dict) else {}
    # The SDK sends no field twice and only uses the classic builder. A body that is text was too
    # long to be recorded.
    if len(query) < len(fields) or query.get("version") == "2" or isinstance(body, str):
        return ""
    line = f"{exchange.method} {exchange_text.path(exchange, exact)}"
    for pattern, template in _CALLS.items():
        if found := re.fullmatch(pattern, line):
            name = found[1] if found.re.groups else ""
            return _fill_in(template, name, query) + _left_out(query, members)
    for pattern, write in _CREATIONS.items():
        if found := re.fullmatch(pattern, line):
            code = write(found[1] if found.re.groups else "", query, members)
            return code and code + _left_out(query, members)
    return ""


def _left_out(query: Query, members: Members) -> str:
    names = [name for name, value in query.items() if value not in _NOTHING_SAID]
    names = [name for name in names if name not in _SAID_BY_SDK] + list(members)
    return f"  # left out: {', '.join(names)}" if names else ""


_NOTHING_SAID = {"0", "false", "{}", "[]", "null", "default"}
_SAID_BY_SDK = {"stdout", "stderr", "stdin", "rm"}


def _flag(value: str) -> bool:
    return value.lower() in ("1", "true")


def _lines(value: str) -> int | None:
    return int(value) if value.isdecimal() else None


def _filters(value: str) -> dict[str, Any]:
    """``{"name": {"web": true}}``, the API's form, as ``{"name": "web"}``."""
    chosen = {name: list(values) for name, values in json.loads(value).items()}
    return {name: values[0] if len(values) == 1 else values for name, values in chosen.items()}


# The argument for a field of the query, and its type.
_FIELDS: dict[str, tuple[str, Callable[[str], object]]] = {
    "all": ("all", _flag),
    "condition": ("condition", str),
    "filters": ("filters", _filters),
    "follow": ("stream", _flag),
    "force": ("force", _flag),
    "limit": ("limit", int),
    "link": ("link", _flag),
    "logs": ("logs", _flag),
    "platform": ("platform", str),
    "signal": ("signal", str),
    "stream": ("stream", _flag),
    "t": ("timeout", int),
    "tag": ("tag", str),
    "tail": ("tail", _lines),
    "timestamps": ("timestamps", _flag),
    "v": ("v", _flag),
}

# Requests that a query alone describes (Docker Engine API, docker-py). {name} is the name in the
# path, {container} and its like the object of that name; other words are fields of the query.
_CALLS: dict[str, str] = {
    "(?:GET|HEAD) /_ping": "client.ping()",
    "GET /version": "client.version()",
    "GET /info": "client.info()",
    "GET /containers/json": "client.containers.list()",
    "GET /containers/(.+)/json": "container = client.containers.get({name})",
    "GET /containers/(.+)/logs": "{container}.logs()",
    "GET /containers/(.+)/top": "{container}.top()",
    "POST /containers/(.+)/start": "{container}.start()",
    "POST /containers/(.+)/stop": "{container}.stop()",
    "POST /containers/(.+)/restart": "{container}.restart()",
    "POST /containers/(.+)/kill": "{container}.kill()",
    "POST /containers/(.+)/pause": "{container}.pause()",
    "POST /containers/(.+)/unpause": "{container}.unpause()",
    "POST /containers/(.+)/wait": "{container}.wait()",
    "POST /containers/(.+)/attach": "{container}.attach()",
    "DELETE /containers/(.+)": "{container}.remove()",
    "POST /commit": "{container}.commit({repo})",
    "GET /exec/(.+)/json": "client.api.exec_inspect({name})",
    "GET /images/json": "client.images.list()",
    "GET /images/(.+)/json": "image = client.images.get({name})",
    "DELETE /images/(.+)": "client.images.remove({name})",
    "GET /networks": "client.networks.list()",
    "GET /networks/([^/]+)": "network = client.networks.get({name})",
    "DELETE /networks/([^/]+)": "{network}.remove()",
    "GET /volumes": "client.volumes.list()",
    "GET /volumes/([^/]+)": "volume = client.volumes.get({name})",
    "DELETE /volumes/([^/]+)": "{volume}.remove()",
}


def _fill_in(template: str, name: str, query: Query) -> str:
    def fill(hole: re.Match[str]) -> str:
        word = hole[1]
        if word == "name":
            return literal(name)
        if word in ("container", "network", "volume"):
            return _object(word, name or query.pop(word, exchange_text.ID))
        return literal(query.pop(word, ""))

    return add_arguments(re.sub(r"{(\w+)}", fill, template), _arguments(query))


def _object(kind: str, name: str) -> str:
    """The SDK's object: a variable called like its kind when an id names it."""
    return kind if name == exchange_text.ID else f"client.{kind}s.get({literal(name)})"


def _arguments(query: Query) -> dict[str, object]:
    """Take the fields that are arguments out of the query."""
    taken = [field for field in _FIELDS if field in query]
    return {_FIELDS[field][0]: _FIELDS[field][1](query.pop(field)) for field in taken}


def _take(members: Members, *names: str, **renamed: str) -> dict[str, object]:
    """Take members out of a body, as arguments: Labels as labels, others as they are renamed."""
    wanted = {name: name.lower() for name in names} | renamed
    return {wanted[name]: members.pop(name) for name in wanted if name in members}


def _container(_: str, query: Query, body: Members) -> str:
    host = body.pop("HostConfig", {})
    call = f"container = client.containers.create({literal(body.pop('Image', ''))})"
    if command := body.pop("Cmd", None):
        call = f"{call.removesuffix(')')}, {literal(command)})"
    arguments = {"name": query.pop("name", None)} | _arguments(query)
    arguments |= _take(body, "Entrypoint", Env="environment")
    arguments |= _take(
        body, "Hostname", "Labels", "Tty", "User", OpenStdin="stdin_open", WorkingDir="working_dir"
    )
    arguments |= _take(
        host,
        "Init",
        AutoRemove="auto_remove",
        Memory="mem_limit",
        Privileged="privileged",
        RestartPolicy="restart_policy",
    )
    arguments["volumes"] = host.pop("Binds", []) + list(body.pop("Volumes", {}))
    bindings = host.pop("PortBindings", {})
    arguments["ports"] = {inside: _ports(outside) for inside, outside in bindings.items()}
    # Published ports are exposed ports, too.
    if not body.get("ExposedPorts", {}).keys() - bindings.keys():
        body.pop("ExposedPorts", None)
    network = host.pop("NetworkMode", "")
    named = network not in ("none", "host", "bridge", "default")
    named = named and not network.startswith("container:")
    arguments["network" if named else "network_mode"] = network
    if not any(body.get("NetworkingConfig", {}).get("EndpointsConfig", {}).values()):
        body.pop("NetworkingConfig", None)
    # The SDK leaves these to the daemon.
    for name in ("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"):
        body.pop(name, None)
    body |= host
    return add_arguments(call, arguments)


def _ports(bindings: list[dict[str, str]]) -> object:
    chosen = []
    for binding in bindings or [{}]:
        port = binding.get("HostPort", "")
        number = int(port) if port.isdecimal() else None
        chosen.append((binding["HostIp"], number) if binding.get("HostIp") else number)
    return chosen[0] if len(chosen) == 1 else chosen


def _exec(container: str, _: Query, body: Members) -> str:
    call = f"{_object('container', container)}.exec_run({literal(body.pop('Cmd', []))})"
    arguments = _take(body, "Tty", "User", "Privileged", AttachStdin="stdin")
    arguments |= _take(body, WorkingDir="workdir", Env="environment")
    for name in ("AttachStdout", "AttachStderr"):
        body.pop(name, None)
    return add_arguments(call, arguments)


def _exec_start(name: str, _: Query, body: Members) -> str:
    return add_arguments(f"client.api.exec_start({literal(name)})", _take(body, "Detach", "Tty"))


def _pull(_: str, query: Query, __: Members) -> str:
    if "fromImage" not in query:
        return ""  # docker import
    call = f"image = client.images.pull({literal(query.pop('fromImage'))})"
    return add_arguments(call, _arguments(query))


def _build(_: str, query: Query, __: Members) -> str:
    dockerfile = query.pop("dockerfile", "Dockerfile")
    arguments = {"tag": query.pop("t", None)}
    if dockerfile != "Dockerfile":
        arguments["dockerfile"] = dockerfile
    return add_arguments('client.images.build(path=".")', arguments)


def _network(_: str, __: Query, body: Members) -> str:
    call = f"network = client.networks.create({literal(body.pop('Name', ''))})"
    arguments = _take(body, "Driver", "Internal", "Attachable", "Labels", "Options")
    if arguments.get("driver") == "bridge":
        del arguments["driver"]
    # Without settings of its own, a network gets the daemon's.
    if body.get("IPAM") == {"Driver": "default"}:
        del body["IPAM"]
    return add_arguments(call, arguments)


def _connect(network: str, _: Query, body: Members) -> str:
    call = f"{_object('network', network)}.connect({literal(body.pop('Container', ''))})"
    endpoint = body.pop("EndpointConfig", {})
    arguments = _take(endpoint, "Aliases")
    body |= endpoint
    return add_arguments(call, arguments)


def _volume(_: str, __: Query, body: Members) -> str:
    name = literal(body.pop("Name")) if body.get("Name") else ""
    arguments = _take(body, "Driver", "Labels", DriverOpts="driver_opts")
    if arguments.get("driver") == "local":
        del arguments["driver"]
    return add_arguments(f"volume = client.volumes.create({name})", arguments)


_CREATIONS: dict[str, Callable[[str, Query, Members], str]] = {
    "POST /containers/create": _container,
    "POST /containers/(.+)/exec": _exec,
    "POST /exec/(.+)/start": _exec_start,
    "POST /images/create": _pull,
    "POST /build": _build,
    "POST /networks/create": _network,
    "POST /networks/(.+)/connect": _connect,
    "POST /volumes/create": _volume,
}
"""The functions that write the call for a request with a description in its body or query.

They take what they use out of the query and the body; what is left was left out.
"""
