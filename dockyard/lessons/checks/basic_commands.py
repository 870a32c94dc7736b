"""Lesson 02: the basic commands."""

from __future__ import annotations

import json

from docker.models.containers import Container

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet

INSIDE = 8000
"""The port at which the guestbook listens."""


def serve(probe: Probe) -> str:
    """The guestbook called party answers at its port, with its title."""
    container = _answering(probe, "party", 8082)
    title = probe.variables(container).get("GUESTBOOK_TITLE")
    shown = _guestbook(probe, 8082)["title"]
    if shown != "Party":
        raise NotYet(
            f"The guestbook at port 8082 has the title {shown!r}.",
            mistake=None if title else "set-outside-only",
        )
    return "party answers at port 8082, with the title Party."


def repair(probe: Probe) -> str:
    """The container called repaired runs the guestbook."""
    container = probe.running("repaired")
    if not probe.logged(container, "guestbook: listening"):
        raise NotYet("repaired is running, but its log does not say that a guestbook listens.")
    return "repaired is running, and its guestbook listens."


def restart(probe: Probe) -> str:
    """The container called party was started twice and has an entry."""
    container = _answering(probe, "party", 8082)
    signed = bool(_guestbook(probe, 8082)["entries"])
    if not probe.started_again(container):
        another = " Another party was removed, and its entries with it."
        raise NotYet(
            f"party has been started once, and has {'an entry' if signed else 'no entry'}."
            + (another if probe.removed("party") else "")
        )
    if not signed:
        raise NotYet("party has been restarted, but nobody has signed it.")
    return "party has been restarted, and its entry is still there."


def second(probe: Probe) -> str:
    """Two guestbooks answer at two ports."""
    container = probe.container("second")
    if container.status == "running" and 8082 in probe.published(container, INSIDE):
        raise NotYet("second answers at port 8082.", mistake="took-the-port-away")
    _answering(probe, "second", 8083)
    _answering(probe, "party", 8082)
    return "second answers at port 8083, and party at port 8082."


def _answering(probe: Probe, name: str, port: int) -> Container:
    """The container with this name, whose guestbook must answer at a port."""
    container = probe.container(name)
    if any(word.startswith("-") for word in (container.attrs["Config"]["Cmd"] or [])[:1]):
        raise NotYet(
            f"The command of {name} begins with an option.", mistake="name-after-the-image"
        )
    bindings = container.attrs["HostConfig"]["PortBindings"] or {}
    if f"{port}/tcp" in bindings and f"{INSIDE}/tcp" not in bindings:
        mistake = "port-reversed" if _published_outside(bindings, INSIDE) else None
        raise NotYet(f"{name} publishes the container's port {port}.", mistake=mistake)
    if container.status == "exited" and container.attrs["Config"]["AttachStdout"]:
        raise NotYet(f"{name} has ended with the cell.", mistake="in-the-foreground")
    probe.running(name)
    probe.must_publish(container, INSIDE, port)
    probe.get(port, "/health")
    return container


def _published_outside(bindings: dict[str, list[dict[str, str]]], port: int) -> bool:
    """Whether any port of the container is published at this port."""
    return any(each["HostPort"] == str(port) for found in bindings.values() for each in found)


def _guestbook(probe: Probe, port: int) -> dict[str, object]:
    """What the guestbook at a port says about itself, with its entries."""
    _, text = probe.get(port, "/entries")
    try:
        found = json.loads(text)
        return {"title": found["title"], "entries": found["entries"]}
    except (ValueError, TypeError, LookupError):
        raise Broken(f"What answers at port {port} is not the guestbook.") from None
