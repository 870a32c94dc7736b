"""Drills of lesson 07."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet


def compose_up(probe: Probe) -> str:
    """The service's container runs."""
    return f"{probe.running(probe['APP'] + '-web-1').name} runs."


def compose_scale(probe: Probe) -> str:
    """Two containers of the service run."""
    for number in (1, 2):
        worker = probe.running(f"{probe['APP']}-worker-{number}")
        if worker.labels.get("com.docker.compose.project") != probe["APP"]:
            raise NotYet(f"{worker.name} does not belong to the application.")
    return f"Two containers of {probe['APP']} work."


def compose_stop_one(probe: Probe) -> str:
    """One service has ended, the other one runs."""
    web = probe.running(f"{probe['APP']}-web-1")
    worker = probe.container(f"{probe['APP']}-worker-1")
    if worker.status != "exited":
        raise NotYet(f"{worker.name} is {worker.status}.")
    return f"{worker.name} is stopped, and {web.name} goes on."


def compose_down(probe: Probe) -> str:
    """Container and network are gone, and the volume is there."""
    probe.volume(probe["DATA"])
    web = f"{probe['APP']}-web-1"
    if probe.has_container(web):
        raise NotYet(f"{web} is still there.")
    try:
        probe.network(probe["NET"])
    except NotYet:
        return f"{probe['APP']} is down, and its volume is there."
    raise NotYet(f"The network {probe['NET']} is still there.")
