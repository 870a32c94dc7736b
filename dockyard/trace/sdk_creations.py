"""SDK calls for requests that create or change something by a description of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dockyard.trace.exchange_text import ARCHIVE
from dockyard.trace.python_code import Raw, literal, stored, with_arguments

Body = dict[str, Any]
Query = dict[str, str]

_PREDEFINED = ("none", "host", "bridge", "default")

# Members of the body, and of its HostConfig, that the SDK takes as they are.
_CONTAINER = {
    "Entrypoint": "entrypoint",
    "Env": "environment",
    "Hostname": "hostname",
    "Labels": "labels",
    "OpenStdin": "stdin_open",
    "StopSignal": "stop_signal",
    "Tty": "tty",
    "User": "user",
    "WorkingDir": "working_dir",
}
_HOST = {
    "AutoRemove": "auto_remove",
    "CapAdd": "cap_add",
    "CapDrop": "cap_drop",
    "Init": "init",
    "Memory": "mem_limit",
    "NanoCpus": "nano_cpus",
    "PidMode": "pid_mode",
    "PidsLimit": "pids_limit",
    "Privileged": "privileged",
    "ReadonlyRootfs": "read_only",
    "RestartPolicy": "restart_policy",
    "SecurityOpt": "security_opt",
    "Tmpfs": "tmpfs",
}


def _container(_: str, query: Query, body: Body) -> str:
    host = body.get("HostConfig", {})
    call = f"container = client.containers.create({literal(body.get('Image', ''))})"
    if command := body.get("Cmd"):
        call = f"{call.removesuffix(')')}, {literal(command)})"
    arguments = {"name": query.get("name"), "platform": query.get("platform")}
    arguments |= {ours: body.get(theirs) for theirs, ours in _CONTAINER.items()}
    arguments |= {ours: host.get(theirs) for theirs, ours in _HOST.items()}
    arguments["volumes"] = host.get("Binds", []) + list(body.get("Volumes", {}))
    arguments["ports"] = _ports(host.get("PortBindings", {}))
    arguments["mounts"] = [_mount(mount) for mount in host.get("Mounts", [])]
    network = host.get("NetworkMode", "")
    own = network and network not in _PREDEFINED and not network.startswith("container:")
    arguments["network" if own else "network_mode"] = network
    return with_arguments(call, arguments)


def _ports(bindings: dict[str, list[dict[str, str]]]) -> dict[str, object]:
    ports: dict[str, object] = {}
    for inside, outside in bindings.items():
        chosen = [_port(each) for each in outside or [{}]]
        ports[inside] = chosen[0] if len(chosen) == 1 else chosen
    return ports


def _port(binding: dict[str, str]) -> object:
    port = binding.get("HostPort", "")
    number = int(port) if port.isdecimal() else None
    return (binding["HostIp"], number) if binding.get("HostIp") else number


def _mount(mount: dict[str, Any]) -> Raw:
    arguments = {"type": mount.get("Type"), "read_only": mount.get("ReadOnly")}
    places = f"{literal(mount.get('Target'))}, {literal(mount.get('Source'))}"
    return Raw(with_arguments(f"docker.types.Mount({places})", arguments))


def _pull(_: str, query: Query, __: Body) -> str:
    if "fromImage" not in query:
        call = f"client.api.import_image({literal(ARCHIVE)})"
        place = {"repository": query.get("repo")}
    else:
        call, place = f"image = client.images.pull({literal(query['fromImage'])})", {}
    return with_arguments(
        call, place | {"tag": query.get("tag"), "platform": query.get("platform")}
    )


def _exec(container: str, _: Query, body: Body) -> str:
    arguments = {"stdin": body.get("AttachStdin"), "tty": body.get("Tty")}
    arguments |= {"user": body.get("User"), "workdir": body.get("WorkingDir")}
    arguments |= {"environment": body.get("Env"), "privileged": body.get("Privileged")}
    call = f"{stored('container', container)}.exec_run({literal(body.get('Cmd', []))})"
    return with_arguments(call, arguments)


def _network(_: str, __: Query, body: Body) -> str:
    driver = body.get("Driver")
    arguments = {"driver": None if driver == "bridge" else driver}
    arguments |= {"internal": body.get("Internal"), "attachable": body.get("Attachable")}
    arguments |= {"labels": body.get("Labels"), "options": body.get("Options")}
    pools = [
        Raw(
            with_arguments(
                "docker.types.IPAMPool()",
                {"subnet": pool.get("Subnet"), "gateway": pool.get("Gateway")},
            )
        )
        for pool in body.get("IPAM", {}).get("Config", [])
    ]
    if pools:
        arguments["ipam"] = Raw(f"docker.types.IPAMConfig(pool_configs={literal(pools)})")
    call = f"network = client.networks.create({literal(body.get('Name', ''))})"
    return with_arguments(call, arguments)


def _connect(network: str, _: Query, body: Body) -> str:
    aliases = body.get("EndpointConfig", {}).get("Aliases")
    call = f"{stored('network', network)}.connect({literal(body.get('Container', ''))})"
    return with_arguments(call, {"aliases": aliases})


def _disconnect(network: str, _: Query, body: Body) -> str:
    call = f"{stored('network', network)}.disconnect({literal(body.get('Container', ''))})"
    return with_arguments(call, {"force": body.get("Force")})


def _volume(_: str, __: Query, body: Body) -> str:
    driver = body.get("Driver")
    arguments = {"driver": None if driver == "local" else driver}
    arguments |= {"driver_opts": body.get("DriverOpts"), "labels": body.get("Labels")}
    given = literal(body["Name"]) if body.get("Name") else ""
    return with_arguments(f"volume = client.volumes.create({given})", arguments)


def _service(_: str, __: Query, body: Body) -> str:
    container = body.get("TaskTemplate", {}).get("ContainerSpec", {})
    image = literal(container.get("Image", "").partition("@")[0])
    arguments = {"command": container.get("Command"), "args": container.get("Args")}
    arguments |= {"name": body.get("Name"), "env": container.get("Env")}
    if replicas := body.get("Mode", {}).get("Replicated", {}).get("Replicas"):
        mode = f'docker.types.ServiceMode("replicated", replicas={replicas})'
        arguments["mode"] = Raw(mode)
    ports = body.get("EndpointSpec", {}).get("Ports", [])
    published = {
        port["PublishedPort"]: port["TargetPort"] for port in ports if "PublishedPort" in port
    }
    if published:
        arguments["endpoint_spec"] = Raw(f"docker.types.EndpointSpec(ports={literal(published)})")
    return with_arguments(f"service = client.services.create({image})", arguments)


def _login(_: str, __: Query, body: Body) -> str:
    call = f"client.login({literal(body.get('username', ''))})"
    arguments = {"password": body.get("password"), "registry": body.get("serveraddress")}
    return with_arguments(call, arguments)


def _swarm_init(_: str, __: Query, body: Body) -> str:
    arguments = {"advertise_addr": body.get("AdvertiseAddr")}
    arguments |= {"listen_addr": body.get("ListenAddr")}
    return with_arguments("client.swarm.init()", arguments)


def _swarm_join(_: str, __: Query, body: Body) -> str:
    token = body.get("JoinToken", "")
    call = f"client.swarm.join({literal(body.get('RemoteAddrs', []))}, {literal(token)})"
    return with_arguments(call, {"advertise_addr": body.get("AdvertiseAddr")})


CALLS: tuple[tuple[str, Callable[[str, Query, Body], str]], ...] = (
    ("/auth", _login),
    ("/containers/create", _container),
    ("/containers/(.+)/exec", _exec),
    ("/images/create", _pull),
    ("/networks/create", _network),
    ("/networks/(.+)/connect", _connect),
    ("/networks/(.+)/disconnect", _disconnect),
    ("/volumes/create", _volume),
    ("/services/create", _service),
    ("/swarm/init", _swarm_init),
    ("/swarm/join", _swarm_join),
)
"""The path of a POST, and what makes a call of the name in it, its query and its body."""
