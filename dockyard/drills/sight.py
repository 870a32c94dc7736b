"""What checks of several drills look at."""

from __future__ import annotations

from docker.models.containers import Container

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet


def must_be_same(probe: Probe, box: Container) -> None:
    """Raise NotYet unless a container is that of the scene, which has the variable ``MARK``."""
    if probe.variables(box).get("MARK") != probe["MARK"]:
        raise NotYet(f"{box.name} is another container now.")


def networks_in_words(box: Container) -> str:
    """A sentence with the networks of a container."""
    names = ", ".join(sorted(box.attrs["NetworkSettings"]["Networks"])) or "none"
    return f"The networks of {box.name}: {names}."


def policy_in_words(box: Container) -> str:
    """A sentence with the restart policy of a container."""
    policy = box.attrs["HostConfig"]["RestartPolicy"]
    limit = ""
    if policy["Name"] == "on-failure":
        most = policy["MaximumRetryCount"]
        limit = f", {most} times at most" if most else ", without a limit"
    return f"The policy of {box.name} is `{policy['Name'] or 'no'}`{limit}."
