"""Lab 02: the basic commands."""

from __future__ import annotations

import re

from docker.models.containers import Container

from dockyard.labs.inspection import MEGABYTE, name_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief


def code(probe: Probe) -> str:
    """The file holds the exit code."""
    ended = probe.container(probe["QUIT"]).attrs["State"]["ExitCode"]
    said = probe.file("code.txt").strip()
    if str(ended) not in re.findall(r"\d+", said):
        raise NotYet(f"code.txt says {brief(said)!r}; {probe['QUIT']} has another exit code.")
    return f"{probe['QUIT']} has ended with exit code {ended}."


def last_line(probe: Probe) -> str:
    """The file holds the last line of the output."""
    lines = probe.log(probe.container(probe["TALKER"])).splitlines()
    if not lines:
        raise NotYet(f"{probe['TALKER']} has written nothing. For another attempt:  {probe.anew()}")
    said = probe.file("last.txt").strip()
    if said != lines[-1].strip():
        raise NotYet(
            f"last.txt has {len(said.splitlines())} lines; it begins with {brief(said)!r}."
        )
    return f"The last line of {probe['TALKER']} is in last.txt."


def killed(probe: Probe) -> str:
    """The container was killed and is kept."""
    container = probe.container(probe["NAP"])
    state = container.attrs["State"]
    if container.status != "exited":
        raise NotYet(f"{container.name} is {container.status}.")
    if state["ExitCode"] != 137:
        raise NotYet(f"{container.name} has ended with exit code {state['ExitCode']}.")
    return f"{container.name} has ended with exit code 137."


def gone(probe: Probe) -> str:
    """The container is gone."""
    name = probe["NAP"]
    if probe.has_container(name):
        raise NotYet(f"{name} is still there.")
    return f"{name} is gone."


def server(probe: Probe) -> str:
    """The server runs with all that was asked for."""
    name, port = probe["WEB"], probe["PORT"]
    probe.must_not_be_an_argument(name)
    if probe.stopped_by_its_command(probe.container(name)):
        raise NotYet(
            f"{name} has ended; it was tied to the command that started it.",
            mistake="in-the-foreground",
        )
    container = probe.serving(name, port, 80)
    probe.must_be_from(container, "httpd:2.4")
    probe.reach(container, port, 80)
    _knows_greeting(probe, container)
    memory = container.attrs["HostConfig"]["Memory"] or 0
    if not memory:
        raise NotYet(f"{name} has no limit of memory.")
    if memory > 64 * MEGABYTE:
        raise NotYet(f"{name} may use {memory // MEGABYTE} MB of memory.")
    return f"{name} answers at port {port}, knows its greeting, and has a limit of memory."


def _knows_greeting(probe: Probe, container: Container) -> None:
    """Look into the environment of the container's own program."""
    code, text = probe.execute(container, "cat", "/proc/1/environ")
    given = probe.variables(container)
    if code == 0:
        given |= dict(each.partition("=")[::2] for each in text.split("\0"))
    said = given.get("GREETING")
    if said != probe["TOKEN"]:
        raise NotYet(
            f"In {container.name}, "
            + (f"GREETING is {said!r}." if said else "there is no GREETING.")
        )


def map(probe: Probe) -> str:
    """The file was copied out of the container."""
    text = probe.file("map.txt").strip()
    if probe["TOKEN"] not in text:
        # The chest has this file, so it was somebody else who could not open it.
        other = "can't open '/treasure/map.txt'" in text
        raise NotYet(
            f"map.txt says {brief(text)!r}." if text else "map.txt is empty.",
            mistake="image-has-not-changed" if other else None,
        )
    return f"map.txt says {brief(text)}."


def grow(probe: Probe) -> str:
    """The container has more memory and still has its data."""
    container = probe.running(probe["SMALL"])
    memory = container.attrs["HostConfig"]["Memory"] or 0
    code, thought = probe.execute(container, "cat", "/memory/thought")
    if code or probe["TOKEN"] not in thought:
        mistake = None
        if probe.read(container, "/since") is None:
            mistake = "made-anew-not-changed"
        elif probe.started_again(container):
            mistake = "forgot-at-the-restart"
        raise NotYet(
            f"{container.name} has forgotten its thought. For another attempt:  {probe.anew()}",
            mistake=mistake,
        )
    if memory != 128 * MEGABYTE:
        amount = f"may use {memory // MEGABYTE} MB" if memory else "has no limit"
        raise NotYet(f"{container.name} {amount} of memory.")
    return f"{container.name} has 128 MB of memory, and still knows what it had in mind."


def typo(probe: Probe) -> str:
    """The container has written the word and ended well."""
    name = probe["TYPO"]
    probe.must_not_be_an_argument(name)
    container = probe.ended(name)
    if code := container.attrs["State"]["ExitCode"]:
        raise NotYet(f"{name} has ended with exit code {code}.")
    written = probe.log(container)
    if probe["TOKEN"] not in written:
        raise Broken(f"{name} wrote {brief(written)!r}.")
    return f"{name} has written {probe['TOKEN']} and ended with exit code 0."


def clean(probe: Probe) -> str:
    """The project's containers are gone, and the other one is not."""
    project, keep = probe["JUNK"], f"{probe['JUNK']}-keep"
    every = {
        name_of(each): each for each in probe.daemon.containers.list(all=True, ignore_removed=True)
    }
    left = {name: each for name, each in every.items() if each.labels.get("project") == project}
    if keep not in every:
        # All that have the word in their names are gone, and others are not.
        by_name = not left and probe["CHEST"] in every
        raise NotYet(
            f"{keep} is gone, and it belonged to somebody else. For another attempt:  "
            f"{probe.anew()}",
            mistake="filter-finds-parts" if by_name else None,
        )
    if not left:
        return f"The containers of the project {project} are gone, and {keep} is still there."
    running = [name for name, each in left.items() if each.status == "running"]
    mistake = None
    if len(running) == len(left) and probe.pruned(f"{project}-1", f"odd-{project}"):
        mistake = "prune-spares-the-running"
    elif set(left) == {f"{project}-1", f"odd-{project}"} and not running:
        mistake = "only-the-running"
    raise NotYet(f"Still there: {', '.join(sorted(left))}.", mistake=mistake)
