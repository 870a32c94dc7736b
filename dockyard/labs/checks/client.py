"""Lab 04: the client."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from dockyard.core import docker_client, paths
from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet
from dockyard.labs.wire import brief


def renamed(look: Look) -> str:
    """The old container has the new name."""
    container = look.container(look["NEW"])
    if look.has_container(look["OLD"]):
        raise NotYet(f"There are two containers, {look['OLD']} and {container.name}.")
    return f"{look['OLD']} is called {container.name} now."


def labelled(look: Look) -> str:
    """The volume carries the label."""
    volume = look.volume(look["SHELF"])
    owner = (volume.attrs["Labels"] or {}).get("owner")
    if owner != look["TOKEN"]:
        said = f"has the owner {owner!r}" if owner else "has no label owner"
        raise NotYet(f"The volume {volume.name} {said}.")
    return f"The volume {volume.name} carries owner={owner}."


def no_program(look: Look) -> str:
    """The container could not be started, and says why."""
    container = look.container(look["NOPROG"])
    code = container.attrs["State"]["ExitCode"]
    if code != 127:
        raise NotYet(f"{container.name} is {container.status}, with exit code {code}.")
    return f"{container.name} has exit code 127: there is no such program in it."


def last_lines(look: Look) -> str:
    """Three lines, each with its time."""
    chatty, written = look.container(look["CHATTY"]), look.file("last.txt")
    wanted = chatty.logs(tail=3, timestamps=True).decode()
    if written.split() != wanted.split():
        if not written.strip():
            raise NotYet("last.txt is empty.", mistake="one-of-two-outputs")
        lines = written.strip().splitlines()
        raise NotYet(f"last.txt has {len(lines)} lines; the first says {brief(lines[0])!r}.")
    return f"last.txt has the last three lines of {chatty.name}, each with its time."


def crew(look: Look) -> str:
    """Exactly those with the label, in whatever order."""
    everybody = look.daemon.containers.list(all=True, ignore_removed=True)
    wanted = {each.name for each in everybody if each.labels.get("crew") == look["TOKEN"]}
    running = {each.name for each in everybody if each.name in wanted and each.status == "running"}
    written = look.file("crew.txt").split("\n")
    found = {line.strip() for line in written if line.strip()}
    if found == running and found != wanted:
        raise NotYet(
            f"crew.txt names {_list(found)}: only what is running.", mistake="only-the-running"
        )
    if strangers := sorted(found - wanted):
        by_name = all(name.startswith(look["CREW"]) for name in found)
        raise NotYet(
            f"crew.txt has {brief(strangers[0])!r}, which is no name of the crew.",
            mistake="filter-finds-parts" if by_name and wanted < found else None,
        )
    if missing := sorted(wanted - found):
        raise NotYet(f"crew.txt does not name {missing[0]}.")
    return f"crew.txt names the whole crew: {_list(found)}."


def context(look: Look) -> str:
    """The context leads to the second daemon, with certificates."""
    boat = look.running(look["BOAT"])
    ports = look.published(boat, 2376)
    if not ports:
        raise NotYet(f"{boat.name} runs, but its port 2376 is not published.")
    address, keys = _context(look, boat.name)
    if not any(address.endswith(f":{port}") for port in ports):
        raise NotYet(f"The context {boat.name} leads to {address}, and {boat.name} is not there.")
    if not keys.exists():
        raise NotYet(
            f"The context {boat.name} leads to {address}, without a certificate.",
            mistake="certificates-left-out",
        )
    status, text = look.get_secure(ports[0], "/info", keys)
    if status != 200:
        raise Broken(f"The daemon of {boat.name} refuses: {brief(text)!r}.")
    return f"The context {boat.name} leads to the daemon of {boat.name}, with certificates."


def there(look: Look) -> str:
    """The container runs there, and the course's daemon is the current one."""
    name = look["FAR"]
    boat = look.boat(name)
    state = look.there(boat, name)["State"]["Status"]
    if state != "running":
        raise NotYet(f"{name} on {boat.name} is {state}.")
    current = _current(look)
    if current == boat.name:
        raise NotYet(
            f"{name} runs on {boat.name}, and your plain commands still go there.",
            mistake="left-in-another-context",
        )
    if current != docker_client.CONTEXT:
        raise NotYet(f"Your plain commands go to the context {current}.")
    return f"{name} runs on {boat.name}, and your plain commands go to the course's daemon."


def _context(look: Look, name: str) -> tuple[str, Path]:
    """Address and folder of certificates of a context of the attempt's client."""
    folder = paths.docker_config(look.attempt.lesson) / "contexts"
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((folder / "meta" / key / "meta.json").read_text())
        address = meta["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError):
        raise NotYet(f"Your client has no context called {name}.") from None
    return address, folder / "tls" / key / "docker"


def _current(look: Look) -> str:
    try:
        settings = json.loads(
            (paths.docker_config(look.attempt.lesson) / "config.json").read_text()
        )
    except (OSError, ValueError):
        return "default"
    return settings.get("currentContext") or "default"


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
