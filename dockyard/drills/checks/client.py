"""Drills of lesson 11."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief


def ip_address(probe: Probe) -> str:
    """The file says the address."""
    saved = probe.file("address").strip()
    box = probe.running(probe["BOX"])
    networks = box.attrs["NetworkSettings"]["Networks"]
    if probe["NET"] not in networks:
        raise NotYet(f"{box.name} is not in {probe['NET']} any more.")
    wanted = networks[probe["NET"]]["IPAddress"]
    if saved.partition("/")[0] != wanted:
        raise NotYet(f"address says {brief(saved)!r}; that is not its address in {probe['NET']}.")
    return f"In {probe['NET']}, {box.name} is {wanted}."


def label(probe: Probe) -> str:
    """It runs, and has the label."""
    box = probe.running(probe["BOX"])
    found = box.labels.get("team")
    if found is None:
        raise NotYet(f"{box.name} has no label `team`.")
    if found != probe["WORD"]:
        raise NotYet(f"The label `team` of {box.name} is {found!r}.")
    return f"{box.name} has the label team={found}."


def by_label(probe: Probe) -> str:
    """The two have ended, and the third one runs."""
    guest = probe.running(probe["GUEST"])
    for name in ("ONE", "OTHER"):
        player = probe.kept(probe[name])
        if player.status != "exited":
            raise NotYet(f"{player.name} is {player.status}.")
    return f"The two players are stopped, and {guest.name} runs."
