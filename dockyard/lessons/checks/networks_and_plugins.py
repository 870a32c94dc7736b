"""The tasks of lesson 06: networks and plugins."""

from __future__ import annotations

from docker.models.containers import Container

from dockyard.labs.checks.networks_and_plugins import EVERYBODY
from dockyard.labs.inspection import networks_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet

PATIENCE = 8
"""Seconds for the guestbook to start."""


def alias(probe: Probe) -> str:
    """The database has two names in its network."""
    guestbook, db = probe.running("guestbook"), probe.running("db")
    address = db.attrs["NetworkSettings"]["Networks"].get("backend", {}).get("IPAddress")
    if not address:
        raise NotYet("db is not in the network backend.")
    for name in ("db", "database"):
        code, said = probe.execute(guestbook, "getent", "hosts", name)
        if code:
            raise NotYet(f"guestbook does not find the name {name}.")
        if said.split()[0] != address:
            raise Broken(f"The name {name} leads to {said.split()[0]}, and db has {address}.")
    return "guestbook finds the database as db and as database."


def two_networks(probe: Probe) -> str:
    """The visitor reaches the guestbook only."""
    visitor, guestbook, db = (probe.running(name) for name in ("visitor", "guestbook", "db"))
    if shared := set(networks_of(visitor)) & set(networks_of(db)):
        raise NotYet(
            f"visitor and db are both in {' and '.join(sorted(shared))}.",
            mistake="one-network-for-all",
        )
    common = set(networks_of(visitor)) & set(networks_of(guestbook))
    if not common:
        raise NotYet("visitor and guestbook have no network in common.")
    if not _fetches(probe, visitor, "http://guestbook:8000/static/style.css"):
        raise NotYet(
            "visitor does not reach http://guestbook:8000.",
            mistake="names-on-the-default-bridge" if common == {"bridge"} else None,
        )
    if not set(networks_of(guestbook)) & set(networks_of(db)):
        raise NotYet("guestbook and db have no network in common any more.")
    return "visitor reaches guestbook, and has no network in common with db."


def kiosk(probe: Probe) -> str:
    """The guestbook answers at a port of this computer alone."""
    container = probe.running("kiosk")
    bindings = [(inside, each) for inside, bound in container.ports.items() for each in bound or ()]
    if not bindings:
        raise NotYet("No port of kiosk is published.", mistake="port-not-published")
    for inside, binding in bindings:
        if inside == "8091/tcp" and binding["HostPort"] == "8000":
            raise NotYet("Port 8000 here leads to port 8091 of kiosk.", mistake="port-reversed")
        if binding["HostIp"] in EVERYBODY:
            raise NotYet(
                f"kiosk answers at port {binding['HostPort']} of every address of this computer.",
                mistake="published-to-everybody",
            )
        if binding["HostIp"] != "127.0.0.1":
            raise NotYet(f"kiosk is published at {binding['HostIp']}.")
    probe.must_publish(container, 8000, 8091)
    probe.get(8091, "/health", PATIENCE)
    return "kiosk answers at port 8091 of this computer only."


def _fetches(probe: Probe, container: Container, url: str) -> bool:
    """Whether a program in a container gets a page, within some seconds."""
    once = f"timeout 5 wget -q -O - {url} && exit; sleep 1"
    return probe.execute(container, "sh", "-c", f"for i in 1 2 3; do {once}; done; exit 1")[0] == 0
