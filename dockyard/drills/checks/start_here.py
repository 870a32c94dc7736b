"""Drills of lesson 00."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief


def say(probe: Probe) -> str:
    """It has ended, and the word is in its log."""
    box = probe.ended(probe["BOX"])
    said = probe.log(box)
    if probe["WORD"] not in said:
        raise NotYet(f"{box.name} has printed {brief(said)!r}.")
    return f"{box.name} has printed {probe['WORD']} and ended."


def hello(probe: Probe) -> str:
    """A container of this image has ended."""
    box = probe.ended(probe["BOX"])
    probe.must_be_from(box, "hello-world")
    return f"{box.name} has said hello."


def clear_up(probe: Probe) -> str:
    """There is no such container any more."""
    if probe.has_container(probe["BOX"]):
        box = probe.container(probe["BOX"])
        raise NotYet(f"{box.name} is {box.status}, and so still there.")
    return f"{probe['BOX']} is gone."
