"""Lab 11: the client."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from docker.models.containers import Container

from dockyard.core import docker_client, paths
from dockyard.labs.inspection import name_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief


def renamed(probe: Probe) -> str:
    """The old container has the new name."""
    container = probe.container(probe["NEW"])
    if probe.has_container(probe["OLD"]):
        raise NotYet(f"There are two containers, {probe['OLD']} and {container.name}.")
    return f"{probe['OLD']} is called {container.name} now."


def labelled(probe: Probe) -> str:
    """The volume carries the label."""
    volume = probe.volume(probe["SHELF"])
    owner = (volume.attrs["Labels"] or {}).get("owner")
    if owner != probe["TOKEN"]:
        said = f"has the owner {owner!r}" if owner else "has no label owner"
        raise NotYet(f"The volume {volume.name} {said}.")
    return f"The volume {volume.name} carries owner={owner}."


def no_program(probe: Probe) -> str:
    """The container could not start its program."""
    container = probe.container(probe["NOPROG"])
    code = container.attrs["State"]["ExitCode"]
    if code != 127:
        raise NotYet(f"{container.name} is {container.status}, with exit code {code}.")
    return f"{container.name} has exit code 127: there is no such program in it."


def last_lines(probe: Probe) -> str:
    """The file holds the last three lines, each with its time."""
    chatty, written = probe.container(probe["CHATTY"]), probe.file("last.txt")
    wanted = chatty.logs(tail=3, timestamps=True).decode(errors="replace")
    if written.split() != wanted.split():
        if not written.strip():
            raise NotYet("last.txt is empty.", mistake="one-of-two-outputs")
        lines = written.strip().splitlines()
        raise NotYet(f"last.txt has {len(lines)} lines; the first says {brief(lines[0])!r}.")
    return f"last.txt has the last three lines of {chatty.name}, each with its time."


def crew(probe: Probe) -> str:
    """The file names exactly the containers with the label, in any order."""
    everybody = probe.daemon.containers.list(all=True, ignore_removed=True)
    crew = [each for each in everybody if each.labels.get("crew") == probe["TOKEN"]]
    wanted = {name_of(each) for each in crew}
    running = {name_of(each) for each in crew if each.status == "running"}
    written = probe.file("crew.txt").split("\n")
    found = {line.strip() for line in written if line.strip()}
    if found == running and found != wanted:
        raise NotYet(
            f"crew.txt names {_list(found)}: only what is running.", mistake="only-the-running"
        )
    if strangers := sorted(found - wanted):
        by_name = all(name.startswith(probe["CREW"]) for name in found)
        raise NotYet(
            f"crew.txt has {brief(strangers[0])!r}, which is no name of the crew.",
            mistake="filter-finds-parts" if by_name and wanted < found else None,
        )
    if missing := sorted(wanted - found):
        raise NotYet(f"crew.txt does not name {missing[0]}.")
    return f"crew.txt names the whole crew: {_list(found)}."


def context(probe: Probe) -> str:
    """The context leads to the second daemon, with certificates."""
    boat = probe.running(probe["BOAT"])
    ports = probe.published(boat, 2376)
    if not ports:
        raise NotYet(f"{boat.name} runs, but its port 2376 is not published.")
    must_lead_to(probe, boat, ports)
    return f"The context {boat.name} leads to the daemon of {boat.name}, with certificates."


def there(probe: Probe) -> str:
    """The container runs there, and the course's daemon is the current one."""
    name = probe["FAR"]
    boat = probe.boat(name)
    probe.running_there(boat, name)
    current = _current(probe)
    if current == boat.name:
        raise NotYet(
            f"{name} runs on {boat.name}, and your plain commands still go there.",
            mistake="left-in-another-context",
        )
    if current != docker_client.CONTEXT:
        raise NotYet(f"Your plain commands go to the context {current}.")
    return f"{name} runs on {boat.name}, and your plain commands go to the course's daemon."


def must_lead_to(probe: Probe, boat: Container, ports: list[int]) -> None:
    """Raise NotYet unless the context of a boat's name leads to its daemon; asks that daemon.

    ports are those of this computer at which the daemon can be reached.
    """
    address, keys = _context(probe, name_of(boat))
    if not any(address.endswith(f":{port}") for port in ports):
        raise NotYet(f"The context {boat.name} leads to {address}, and {boat.name} is not there.")
    if not keys.exists():
        raise NotYet(
            f"The context {boat.name} leads to {address}, without a certificate.",
            mistake="certificates-left-out",
        )
    status, text = probe.get_secure(ports[0], "/info", keys)
    if status != 200:
        raise Broken(f"The daemon of {boat.name} refuses: {brief(text)!r}.")


def _context(probe: Probe, name: str) -> tuple[str, Path]:
    """The address and the certificates' folder of a context of the learner's client."""
    folder = paths.docker_config(probe.attempt.lesson) / "contexts"
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((folder / "meta" / key / "meta.json").read_text())
        address = meta["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError):
        raise NotYet(f"Your client has no context called {name}.") from None
    return address, folder / "tls" / key / "docker"


def _current(probe: Probe) -> str:
    try:
        settings = json.loads(
            (paths.docker_config(probe.attempt.lesson) / "config.json").read_text()
        )
    except (OSError, ValueError):
        return "default"
    return settings.get("currentContext") or "default"


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
