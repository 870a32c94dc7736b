"""Drills of lesson 06."""

from __future__ import annotations

from dockyard.drills.sight import must_be_same, networks_in_words
from dockyard.labs.inspection import networks_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet


def connect(probe: Probe) -> str:
    """The container of the scene is in the network."""
    box = probe.running(probe["BOX"])
    must_be_same(probe, box)
    if probe["NET"] not in networks_of(box):
        raise NotYet(networks_in_words(box))
    return f"{box.name} is in {probe['NET']}."


def disconnect(probe: Probe) -> str:
    """It runs outside of the network."""
    box = probe.running(probe["BOX"])
    if probe["NET"] in networks_of(box):
        raise NotYet(f"{box.name} is still in {probe['NET']}.")
    return f"{box.name} runs on, outside of {probe['NET']}."


def by_name(probe: Probe) -> str:
    """It finds the other one's address."""
    probe.running(probe["SERVER"])
    box = probe.running(probe["BOX"])
    if not probe.resolves(box, probe["SERVER"]):
        raise NotYet(f"{box.name} does not find {probe['SERVER']} by its name.")
    return f"{box.name} finds {probe['SERVER']} by its name."


def publish(probe: Probe) -> str:
    """It answers at the port."""
    box = probe.serving(probe["BOX"], probe["PORT"], 8080)
    probe.reach(box, probe["PORT"], 8080)
    return f"{box.name} answers at http://127.0.0.1:{probe['PORT']}."


def no_network(probe: Probe) -> str:
    """Its mode is `none`."""
    box = probe.running(probe["BOX"])
    if networks_of(box) not in ([], ["none"]):
        raise NotYet(networks_in_words(box))
    return f"{box.name} has no network."
