"""Lists the daemon's containers, images, networks and volumes as plain data, sorted by name."""

from __future__ import annotations

import re
from collections.abc import Set
from contextlib import suppress
from typing import Any

import docker

from dockyard.views.events import Event
from dockyard.views.scope import Scope

Fact = dict[str, Any]
"""Plain data that can be sent to the page as JSON."""

_EXIT = re.compile(r"^Exited \((\d+)\)")
_HEALTH = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")

PODMANS_STATES = {
    "configured": "created", "initialized": "created", "stopping": "running", "stopped": "exited",
}  # fmt: skip
"""States that Podman reports and the Docker Engine API (ContainerState) does not have."""


def settle(daemon: docker.DockerClient, event: Event) -> None:
    """Wait until the daemon's lists include the effect of an event.

    The daemon answers lists from a copy of its containers, which it updates after it has sent the
    event of a pause or a new network. An inspect of the container waits for that update (moby:
    daemon/pause.go, CheckpointTo).
    """
    container = event.id if event.kind == "container" else event.attributes.get("container")
    if container and event.action != "destroy":
        with suppress(docker.errors.NotFound):
            daemon.api.inspect_container(container)


def containers(daemon: docker.DockerClient, scope: Scope) -> list[Fact]:
    """List containers with name, image, state, exit code, health, addresses and ports.

    Similar to ``docker ps --all``. Sends one request, however many containers there are.
    """
    found = daemon.api.containers(all=True, filters=scope.filters)
    return sorted(
        (_container(each) for each in found if scope.holds(each.get("Labels"))),
        key=lambda fact: fact["name"],
    )


def _container(listed: dict) -> Fact:
    status = listed.get("Status", "")
    code, health = _EXIT.match(status), _HEALTH.search(status)
    networks = (listed.get("NetworkSettings") or {}).get("Networks") or {}
    return {
        "id": listed["Id"],
        "name": _name(listed.get("Names")) or listed["Id"][:12],
        # An image whose name now belongs to a newer image is listed by its digest.
        "image": listed["Image"] if not listed["Image"].startswith("sha256:") else "an image",
        "image_id": listed.get("ImageID", ""),
        "state": state(listed["State"]),
        "exit_code": int(code[1]) if code else None,
        "health": health[1] if health else None,
        "networks": {name: (net or {}).get("IPAddress", "") for name, net in networks.items()},
        "mode": (listed.get("HostConfig") or {}).get("NetworkMode", ""),
        "ports": _ports(listed.get("Ports") or []),
        "volumes": sorted(
            mount["Name"] for mount in listed.get("Mounts") or [] if mount.get("Type") == "volume"
        ),
    }


def state(told: str) -> str:
    """Docker's name of a state that an engine reports."""
    return PODMANS_STATES.get(told, told)


def _name(names: list[str] | None) -> str:
    # The target of a link has more names, with a slash inside.
    plain = [name[1:] for name in names or [] if "/" not in name[1:]]
    return plain[0] if plain else ""


def _ports(listed: list[dict]) -> list[Fact]:
    ports = {}
    for port in listed:
        inside = f"{port['PrivatePort']}/{port['Type']}"
        outside = f"{port['IP']}:{port['PublicPort']}" if port.get("PublicPort") else ""
        # A port published on IPv4 and IPv6 is listed once.
        if outside.startswith((":::", "[::]:")):
            outside = f"0.0.0.0:{port['PublicPort']}"
        ports[inside, outside] = {"inside": inside, "outside": outside}
    return [ports[key] for key in sorted(ports)]


def images(daemon: docker.DockerClient, scope: Scope, used: Set[str] = frozenset()) -> list[Fact]:
    """List images with their names.

    used are ids of images to list whatever their labels. Images of the course belong to no lesson,
    so a lesson lists those that it made and those that its containers use. Similar to
    ``docker images``.
    """
    found = []
    for each in daemon.api.images(filters={} if used else scope.filters):
        names = sorted(name for name in each.get("RepoTags") or [] if name != "<none>:<none>")
        if each["Id"] in used or scope.holds(each.get("Labels")):
            found.append({"id": each["Id"], "name": " ".join(names), "names": names})
    return sorted(found, key=lambda fact: (fact["name"] == "", fact["name"], fact["id"]))


def networks(daemon: docker.DockerClient, scope: Scope) -> list[Fact]:
    """List networks with name, driver, address range and whether they are internal.

    Similar to ``docker network ls``.
    """
    found = daemon.api.networks(filters=scope.filters)
    return sorted(
        (
            {
                "id": each["Id"],
                "name": each["Name"],
                "driver": each["Driver"],
                "internal": bool(each.get("Internal")),
                "subnet": _subnet(each),
            }
            for each in found
            if scope.holds(each.get("Labels"))
        ),
        key=lambda fact: fact["name"],
    )


def _subnet(network: dict) -> str:
    pools = (network.get("IPAM") or {}).get("Config") or [{}]
    return pools[0].get("Subnet", "")


def volumes(daemon: docker.DockerClient, scope: Scope, used: Set[str] = frozenset()) -> list[Fact]:
    """List volumes with name and driver. Similar to ``docker volume ls``.

    used are names of volumes to list whatever their labels: an anonymous volume has none.
    """
    found = (daemon.api.volumes(filters={} if used else scope.filters) or {}).get("Volumes") or []
    facts = [
        {
            "id": each["Name"],
            "name": "" if _ANONYMOUS.fullmatch(each["Name"]) else each["Name"],
            "driver": each["Driver"],
        }
        for each in found
        if each["Name"] in used or scope.holds(each.get("Labels"))
    ]
    return sorted(facts, key=lambda fact: (fact["name"] == "", fact["name"], fact["id"]))
