"""The tasks of lesson 12: services. Asks the swarm's manager, the daemon in ``north``."""

from __future__ import annotations

import json
from typing import Any

from docker.models.containers import Container

from dockyard.core import wait
from dockyard.labs.inspection import MEGABYTE
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

PATIENCE = 30
"""Seconds for a service to reach its desired state."""

DOOR = 8091
"""Where visitors find the front of ``north``."""


def join(probe: Probe) -> str:
    """The third computer is a worker, and ready."""
    south = probe.running("south")
    there = _swarm(probe, south)
    if there["LocalNodeState"] != "active":
        raise NotYet("south is in no swarm.")
    known = [each["Hostname"] for each in _rows(probe, "node", "ls")]
    if "south" not in known:
        raise NotYet(
            f"south is in a swarm of its own; north's swarm has {_and(known)}.",
            mistake="two-swarms",
        )
    if there["ControlAvailable"]:
        raise NotYet("south is a manager of the swarm, too.", mistake="joined-as-a-manager")
    if not wait.within(PATIENCE, lambda: _node(probe, "south")["Status"] == "Ready", 0.5):
        raise NotYet(f"For the manager, south is {_node(probe, 'south')['Status']}.")
    return "south is a worker of the swarm, and ready."


def six(probe: Probe) -> str:
    """Six tasks run."""
    _settled(probe, "guestbook", 6)
    return "Six tasks of the service guestbook run."


def back(probe: Probe) -> str:
    """A visitor sees version 2, however often the page is loaded."""
    _service(probe, "guestbook")
    for _ in range(8):
        status, text = probe.get(DOOR, "/entries", patience=PATIENCE)
        if status != 200:
            raise Broken(f"A visitor is told: {brief(text)}")
        version = json.loads(text)["version"]
        if version != "2":
            raise NotYet(f"A visitor sees version {version}.")
    return "Visitors see version 2 again, and every visit is answered."


def emptied(probe: Probe) -> str:
    """No task runs on the node, which belongs to the swarm all the same."""
    node = _node(probe, "east")
    if node["Status"] != "Ready":
        raise NotYet(f"For the manager, east is {node['Status']}.")
    # A drained node keeps its tasks until their successors run.
    if not wait.within(PATIENCE, lambda: not _tasks_on(probe, "east", "guestbook"), 0.5):
        raise NotYet(f"east runs {_count(len(_tasks_on(probe, 'east', 'guestbook')))}.")
    _settled(probe, "guestbook", 6)
    return "east is in the swarm and has nothing to do; six tasks run on the others."


def limited(probe: Probe) -> str:
    """Three tasks run, with the limit."""
    name = "guestbook_guestbook"
    resources = _service(probe, name)["Spec"]["TaskTemplate"].get("Resources") or {}
    limit = (resources.get("Limits") or {}).get("MemoryBytes", 0)
    if not limit:
        reserved = (resources.get("Reservations") or {}).get("MemoryBytes")
        raise NotYet(
            f"In the swarm, the tasks of {name} have no limit of memory.",
            mistake="a-wish-is-no-limit" if reserved else None,
        )
    if limit > 128 * MEGABYTE:
        raise NotYet(f"A task of {name} may use {limit / MEGABYTE:.0f} MB of memory.")
    _settled(probe, name, 3)
    return "Three tasks of the guestbook run, each with at most 128 MB of memory."


def _manager(probe: Probe) -> Container:
    north = probe.running("north")
    if not _swarm(probe, north)["ControlAvailable"]:
        raise NotYet("north is not the manager of a swarm.")
    return north


def _swarm(probe: Probe, node: Container) -> dict[str, Any]:
    """What the daemon of a node says about its swarm."""
    found: dict[str, Any] | None = probe.document(
        node, "docker", "info", "--format", "{{json .Swarm}}"
    )
    if found is None:
        raise Broken(f"The daemon on {node.name} does not answer.")
    return found


def _rows(probe: Probe, *argv: str) -> list[dict[str, str]]:
    """What a command of the manager lists, a row each."""
    code, text = probe.execute(_manager(probe), "docker", *argv, "--format", "{{json .}}")
    if code:
        raise Broken(f"docker {' '.join(argv[:2])} says: {brief(text)}")
    return [json.loads(line) for line in text.splitlines()]


def _node(probe: Probe, name: str) -> dict[str, str]:
    for node in _rows(probe, "node", "ls"):
        if node["Hostname"] == name:
            return node
    raise NotYet(f"The swarm has no node {name}.")


def _service(probe: Probe, name: str) -> dict[str, Any]:
    found = probe.inspected(_manager(probe), "service", name)
    if found is None:
        raise NotYet(f"The swarm has no service {name}.")
    return found


def _tasks_on(probe: Probe, node: str, service: str) -> list[dict[str, str]]:
    """The tasks of a service that are on a node, even if they are to be shut down."""
    rows = _rows(probe, "node", "ps", node)
    return [
        row
        for row in rows
        if row["Name"].startswith(f"{service}.") and row["CurrentState"].startswith("Running")
    ]


def _settled(probe: Probe, service: str, wanted: int) -> None:
    """Wait until so many tasks run, as the service must declare, too."""
    declared = _service(probe, service)["Spec"]["Mode"].get("Replicated", {}).get("Replicas")
    if declared != wanted:
        raise NotYet(f"The service {service} asks for {_count(declared or 0)}.")

    def is_so() -> bool:
        rows = _rows(probe, "service", "ps", service, "--filter", "desired-state=running")
        running = [row for row in rows if row["CurrentState"].startswith("Running")]
        return len(running) == len(rows) == wanted

    if not wait.within(PATIENCE, is_so, 0.5):
        raise NotYet(f"Not all of the {wanted} tasks of {service} run yet.")


def _count(number: int) -> str:
    return f"{number} task" if number == 1 else f"{number} tasks"


def _and(names: list[str]) -> str:
    return " and ".join(sorted(names))
