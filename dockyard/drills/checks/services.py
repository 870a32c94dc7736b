"""Drills of lesson 12: what an orchestrator does for many containers, with one."""

from __future__ import annotations

from dockyard.core import wait
from dockyard.drills.sight import policy_in_words
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet

SETTLING = 3
"""Seconds for the first checks of a container's health."""


def on_failure(probe: Probe) -> str:
    """It has been started, and has the policy with the limit."""
    box = probe.started(probe["BOX"])
    policy = box.attrs["HostConfig"]["RestartPolicy"]
    if (policy["Name"], policy["MaximumRetryCount"]) != ("on-failure", 2):
        raise NotYet(policy_in_words(box))
    return f"The daemon starts {box.name} again twice at most."


def health(probe: Probe) -> str:
    """The daemon checks it, and finds it healthy."""
    box = probe.running(probe["BOX"])
    if "Health" not in box.attrs["State"]:
        raise NotYet(f"{box.name} has no health check.")

    def is_known() -> bool:
        box.reload()
        return box.attrs["State"]["Health"]["Status"] != "starting"

    wait.within(SETTLING, is_known, interval=0.2)
    status = box.attrs["State"]["Health"]["Status"]
    if status != "healthy":
        raise NotYet(f"{box.name} is {status}.")
    return f"{box.name} is checked, and healthy."


def replace(probe: Probe) -> str:
    """The name leads to a container of version 2, and version 1 is gone."""
    box = probe.running(probe["BOX"])
    version = probe.variables(box).get("VERSION")
    if version != "2":
        raise NotYet(f"{box.name} runs with VERSION={version}.")
    for other in probe.daemon.containers.list(all=True, ignore_removed=True):
        if (other.name or "").startswith(probe["BOX"]) and other.id != box.id:
            raise NotYet(f"{other.name} is still there.")
    return f"{box.name} runs with VERSION=2."
