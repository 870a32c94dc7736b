"""Drills of lesson 02."""

from __future__ import annotations

from dockyard.drills.sight import must_be_same
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet


def stop(probe: Probe) -> str:
    """It is still there, and has ended."""
    box = probe.kept(probe["BOX"])
    if box.status != "exited":
        raise NotYet(f"{box.name} is {box.status}.")
    return f"{box.name} is stopped, and still there."


def start_again(probe: Probe) -> str:
    """The container of the scene runs."""
    box = probe.running(probe["BOX"])
    must_be_same(probe, box)
    return f"{box.name} runs again."


def rename(probe: Probe) -> str:
    """The container of the scene has the new name."""
    box = probe.running(probe["NEW"])
    must_be_same(probe, box)
    return f"The same container is now called {box.name}."


def third_line(probe: Probe) -> str:
    """There is a container with the name in the third line, and none with another line's."""
    for line in ("FIRST", "SECOND", "LAST"):
        if probe.has_container(probe[line]):
            raise NotYet(f"{probe[line]} is not the third line of the log.")
    if not probe.has_container(probe["THIRD"]):
        raise NotYet(
            f"There is no container with the name that the third line says in the log of "
            f"{probe['BOX']}."
        )
    return f"{probe['THIRD']} is the third line, and a container."


def two_exited(probe: Probe) -> str:
    """Both are gone, and the third one runs."""
    running = probe.running(probe["RUNS"])
    for name in ("ONE", "OTHER"):
        if probe.has_container(probe[name]):
            raise NotYet(f"{probe[name]} is still there.")
    return f"The two are gone, and {running.name} runs."


def copy_out(probe: Probe) -> str:
    """The file in the folder is that of the container."""
    saved = probe.file("motto").strip()
    if saved != probe["WORD"]:
        raise NotYet(f"motto is not the file of {probe['BOX']}.")
    return f"{probe['BOX']} has ended, and its file is yours."


def who_answers(probe: Probe) -> str:
    """The container with the port has ended; the others run."""
    for name in ("ONE", "OTHER"):
        other = probe.container(probe[name])
        if other.status != "running":
            raise NotYet(f"{other.name} is {other.status}, and it had another port.")
    target = probe.kept(probe["TARGET"])
    if target.status == "running":
        raise NotYet(f"A container still answers at port {probe['PORT']}.")
    return f"{target.name} had the port {probe['PORT']}, and is stopped."
