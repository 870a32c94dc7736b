"""Lab 03: containers."""

from __future__ import annotations

import re

from dockyard.labs.inspection import background_part
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief


def stays(probe: Probe) -> str:
    """A container is there and not stopped."""
    box = probe.container(probe["BOX"])
    if box.status not in ("running", "paused"):
        probe.running(probe["BOX"])
    return f"{box.name} is {box.status}."


def paused(probe: Probe) -> str:
    """It is paused."""
    box = probe.container(probe["BOX"])
    if box.status != "paused":
        raise NotYet(f"{box.name} is {box.status}, not paused.")
    return f"{box.name} is paused: its processes are there and get no time."


def stopped(probe: Probe) -> str:
    """It has been stopped and is still listed."""
    box = probe.container(probe["BOX"])
    if box.status != "exited":
        raise NotYet(f"{box.name} is {box.status}.")
    return f"{box.name} has ended with exit code {box.attrs['State']['ExitCode']} and is kept."


def web(probe: Probe) -> str:
    """The server answers at its port, and the daemon will start it again."""
    name, port = probe["WEB"], int(probe["PORT"])
    probe.must_not_be_an_argument(name)
    container = probe.serving(name, port, 80)
    probe.must_be_from(container, "httpd:2.4")
    status, _ = probe.reach(container, port, 80)
    policy = container.attrs["HostConfig"]["RestartPolicy"]["Name"] or "no"
    if policy not in ("always", "unless-stopped"):
        raise NotYet(
            f"{name} answers at port {port}, but its restart policy is {policy!r}.",
            expected="a policy with which the daemon starts it again after its own restart.",
        )
    return f"{name} answers at port {port} (status {status}); its restart policy is {policy}."


def page(probe: Probe) -> str:
    """The page holds the token."""
    name, port = probe["WEB"], probe["PORT"]
    _, text = probe.reach(probe.serving(name, port, 80), port, 80)
    if probe["TOKEN"] not in text:
        raise NotYet(f"The page of {name} says {brief(text)!r}.")
    return f"The page of {name} says {probe['TOKEN']}."


def job(probe: Probe) -> str:
    """The job has ended with exit code 3, and its output can be read."""
    name = probe["JOB"]
    probe.must_not_be_an_argument(name)
    container = probe.ended(name)
    code = container.attrs["State"]["ExitCode"]
    if code != 3:
        background = background_part(container) or ""
        raise NotYet(
            f"{name} has ended with exit code {code}.",
            mistake="program-in-the-background" if "exit 3" in background else None,
        )
    written = probe.log(container, errors=False)
    if probe["TOKEN"] not in written:
        raise Broken(f"{name} wrote {brief(written)!r} to its standard output.")
    return f"{name} has ended with exit code 3; its log says {probe['TOKEN']}."


def frozen(probe: Probe) -> str:
    """The image holds the note."""
    box, word = probe["BOX"], probe["TOKEN"]
    wanted = f"{box}:1"
    found = [name for name in probe.image_names(box) if name != wanted]
    if found and not probe.image_names(wanted):
        is_name = re.fullmatch(rf"{re.escape(box)}\W?1:latest", found[0])
        raise NotYet(
            f"There is an image {found[0]}, and none {wanted}.",
            mistake="tag-is-not-the-name" if is_name else None,
        )
    note = probe.read_image(wanted, "/note")
    if note is None:
        raise Broken(f"{wanted} has no file /note.")
    if word not in note:
        raise Broken(f"/note in {wanted} says {brief(note)!r}.")
    return f"{wanted} holds /note, and it says {word}."
