"""The tasks of lesson 07: Compose."""

from __future__ import annotations

import json

from docker.models.containers import Container

from dockyard.labs.inspection import name_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
PORT = 8087
HELLO_PORT = 8088


def hello(probe: Probe) -> str:
    """A service called page, of a Compose file, answers at port 8088."""
    found = _labelled(probe, f"{SERVICE}=page")
    if not found:
        raise NotYet("Compose has made no container of a service called page.")
    # The one that runs, if a first attempt belongs to another project.
    page = next((each for each in found if each.status == "running"), found[0])
    bindings = page.attrs["HostConfig"]["PortBindings"] or {}
    if f"{HELLO_PORT}/tcp" in bindings:
        raise NotYet(
            f"{page.name} publishes port {HELLO_PORT} of the container.", mistake="port-reversed"
        )
    probe.running(name_of(page))
    probe.must_publish(page, 80, HELLO_PORT)
    status, _ = probe.get(HELLO_PORT)
    if status != 200:
        raise Broken(f"Port {HELLO_PORT} answers with status {status}.")
    return f"The service page answers at port {HELLO_PORT}."


def back(probe: Probe) -> str:
    """Each service runs, and the guestbook reaches its database."""
    for service in ("db", "app", "web"):
        _running(probe, service)
    status, text = probe.get(PORT, "/health")
    if status != 200:
        raise NotYet(f"The guestbook says: {brief(text)}")
    return "The guestbook runs, and reaches its database."


def title(probe: Probe) -> str:
    """The page has the title."""
    _running(probe, "app")
    found = _guestbook(probe)["title"]
    if found != "Our wedding":
        raise NotYet(f"The page's title is {found!r}.")
    return "The page is called Our wedding."


def three(probe: Probe) -> str:
    """Three containers of app run."""
    running = _running(probe, "app")
    if len(running) != 3:
        raise NotYet(f"Running containers of app: {len(running)}.")
    return "Three containers of app are running."


def gone(probe: Probe) -> str:
    """Nothing of the project is left: no container, network or volume."""
    label = f"{PROJECT}=guestbook"
    if containers := _labelled(probe, label):
        raise NotYet(f"The container {containers[0].name} is still there.")
    if networks := probe.daemon.networks.list(filters={"label": label}):
        raise NotYet(f"The network {networks[0].name} is still there.")
    if volumes := probe.daemon.volumes.list(filters={"label": label}):
        raise NotYet(f"The volume {volumes[0].name} is still there.")
    return "The guestbook and its entries are gone."


def _guestbook(probe: Probe) -> dict[str, str]:
    """What the guestbook says of itself."""
    status, text = probe.get(PORT, "/entries")
    if status != 200:
        raise Broken(f"http://127.0.0.1:{PORT}/entries answers with status {status}.")
    try:
        found: dict[str, str] = json.loads(text)
    except ValueError:
        raise Broken(f"At port {PORT} answers something else: {brief(text)}") from None
    return found


def _running(probe: Probe, service: str) -> list[Container]:
    """The running containers of a service of the guestbook; at least one."""
    found = _labelled(probe, f"{PROJECT}=guestbook", f"{SERVICE}={service}")
    if not found:
        raise NotYet(f"The project guestbook has no container of {service}.")
    running = [each for each in found if each.status == "running"]
    if not running:
        probe.running(name_of(found[0]))
    return running


def _labelled(probe: Probe, *labels: str) -> list[Container]:
    """The containers that Compose made with these labels, without those of ``run``."""
    found = probe.daemon.containers.list(
        all=True, filters={"label": list(labels)}, ignore_removed=True
    )
    once = "com.docker.compose.oneoff"
    return sorted((each for each in found if each.labels.get(once) != "True"), key=name_of)
