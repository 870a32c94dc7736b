"""Drills of lesson 03."""

from __future__ import annotations

from dockyard.drills.sight import must_be_same, policy_in_words
from dockyard.labs.inspection import MEGABYTE
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet


def pause(probe: Probe) -> str:
    """It is paused."""
    box = probe.container(probe["BOX"])
    if box.status != "paused":
        raise NotYet(f"{box.name} is {box.status}, not paused.")
    return f"{box.name} is frozen."


def variable(probe: Probe) -> str:
    """It runs with the variable."""
    box = probe.running(probe["BOX"])
    found = probe.variables(box).get("COLOUR")
    if found is None:
        raise NotYet(f"COLOUR is not set in {box.name}.")
    if found != probe["WORD"]:
        raise NotYet(f"COLOUR is {found!r} in {box.name}.")
    return f"{box.name} runs with COLOUR={found}."


def memory(probe: Probe) -> str:
    """The container of the scene has the limit."""
    box = probe.running(probe["BOX"])
    must_be_same(probe, box)
    limit = box.attrs["HostConfig"]["Memory"]
    if not limit:
        raise NotYet(f"{box.name} has no limit of memory.")
    if limit not in (64 * MEGABYTE, 64_000_000):
        raise NotYet(f"{box.name} may use {limit / MEGABYTE:.0f} MB of memory.")
    return f"{box.name} runs on, with at most 64 MB."


def policy(probe: Probe) -> str:
    """The container of the scene has the policy."""
    box = probe.running(probe["BOX"])
    must_be_same(probe, box)
    if box.attrs["HostConfig"]["RestartPolicy"]["Name"] != "unless-stopped":
        raise NotYet(policy_in_words(box))
    return f"{box.name} starts again unless somebody stops it."


def exit_code(probe: Probe) -> str:
    """It has ended with this code."""
    box = probe.ended(probe["BOX"])
    code = box.attrs["State"]["ExitCode"]
    if code != 3:
        raise NotYet(f"{box.name} has ended with exit code {code}.")
    return f"{box.name} has ended with exit code 3."


def signal(probe: Probe) -> str:
    """It runs, and its log says that the signal came."""
    box = probe.running(probe["BOX"])
    if not probe.logged(box, "heard", patience=1):
        raise NotYet(f"{box.name} has not heard USR1.")
    return f"{box.name} has heard you, and runs on."


def read_only(probe: Probe) -> str:
    """Nothing can be written there."""
    box = probe.running(probe["BOX"])
    if probe.can_write(box, "/etc"):
        raise NotYet(f"/etc of {box.name} can be written to.")
    return f"Nobody can write into /etc of {box.name}."


def copy_in(probe: Probe) -> str:
    """The container has the file."""
    box = probe.container(probe["BOX"])
    found = probe.read(box, "/letter")
    if found is None or probe["WORD"] not in found:
        raise NotYet(f"{box.name} has no file /letter that is yours.")
    return f"{box.name} has the letter."
