"""Lab 02: the basic commands."""

from __future__ import annotations

from dockyard.labs.inspection import MEGABYTE, name_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief


def code(probe: Probe) -> str:
    """The file holds the exit code."""
    ended = probe.container(probe["QUIT"]).attrs["State"]["ExitCode"]
    said = probe.file("code.txt").strip()
    if said != str(ended):
        raise NotYet(f"code.txt says {brief(said)}, and {probe['QUIT']} ended with another code.")
    return f"{probe['QUIT']} has ended with exit code {ended}."


def last_line(probe: Probe) -> str:
    """The file holds the last line of the output."""
    lines = probe.log(probe.container(probe["TALKER"])).splitlines()
    if not lines:
        raise NotYet(
            f"{probe['TALKER']} has written nothing. "
            "For another attempt:  %lab 02-basic-commands --new"
        )
    said = probe.file("last.txt").strip()
    if said != lines[-1].strip():
        raise NotYet(f"last.txt has {len(said.splitlines())} lines; it begins with {brief(said)}.")
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
    name, port, word = probe["WEB"], int(probe["PORT"]), probe["TOKEN"]
    container = probe.container(name)
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    command = config["Cmd"] or []
    if any(each.startswith("-") for each in command[:1]):
        raise NotYet(
            f"{name} was told to run the command {' '.join(command)!r}.",
            mistake="name-after-the-image",
        )
    if container.status == "exited" and config["AttachStdout"]:
        raise NotYet(
            f"{name} has ended; it was tied to the command that started it.",
            mistake="in-the-foreground",
        )
    probe.running(name)
    probe.must_publish(container, 80, port)
    probe.get(port)
    settings = probe.variables(container)
    if settings.get("GREETING") != word:
        said = settings.get("GREETING")
        raise NotYet(
            f"In {name}, GREETING is {said!r}." if said else f"In {name}, there is no GREETING.",
            mistake=None if said else "set-outside-only",
        )
    memory = host["Memory"] or 0
    if not 0 < memory <= 64 * MEGABYTE:
        amount = f"{memory // MEGABYTE} MB" if memory else "no limit"
        raise NotYet(f"{name} has {amount} of memory.")
    return f"{name} answers at port {port}, knows its greeting, and has a limit of memory."


def map(probe: Probe) -> str:
    """The file was copied out of the container."""
    text = probe.file("map.txt").strip()
    if probe["TOKEN"] not in text:
        raise NotYet(
            f"map.txt says {brief(text)}.",
            mistake="image-has-not-changed" if "No such file" in text else None,
        )
    return f"map.txt says {brief(text)}."


def grow(probe: Probe) -> str:
    """The container has more memory and still has its data."""
    container = probe.running(probe["SMALL"])
    memory = container.attrs["HostConfig"]["Memory"] or 0
    thought = probe.execute(container, "cat", "/memory/thought")
    if thought[0] or probe["TOKEN"] not in thought[1]:
        anew = probe.read(container, "/since") is None
        raise NotYet(
            f"{container.name} has forgotten its thought. "
            "For another attempt:  %lab 02-basic-commands --new",
            mistake="made-anew-not-changed" if anew else "forgot-at-the-restart",
        )
    if memory != 128 * MEGABYTE:
        amount = f"{memory // MEGABYTE} MB" if memory else "no limit"
        raise NotYet(f"{container.name} has {amount} of memory.")
    return f"{container.name} has 128 MB of memory, and still knows what it had in mind."


def typo(probe: Probe) -> str:
    """The container printed the word and succeeded."""
    name = probe["TYPO"]
    container = probe.kept(name)
    state = container.attrs["State"]
    if container.status == "created":
        command = " ".join(container.attrs["Config"]["Cmd"] or [])
        raise NotYet(f"{name} has never run; its command is {command!r}.")
    if container.status != "exited":
        raise NotYet(f"{name} is {container.status}; it has not ended.")
    if state["ExitCode"]:
        raise NotYet(f"{name} has ended with exit code {state['ExitCode']}.")
    written = probe.log(container)
    if probe["TOKEN"] not in written:
        raise Broken(f"{name} wrote {brief(written)}.")
    return f"{name} has written {probe['TOKEN']} and ended with exit code 0."


def clean(probe: Probe) -> str:
    """The project's containers are gone, and the other one is not."""
    project, keep = probe["JUNK"], f"{probe['JUNK']}-keep"
    every = {
        name_of(each): each for each in probe.daemon.containers.list(all=True, ignore_removed=True)
    }
    if keep not in every:
        raise NotYet(
            f"{keep} is gone, and it belonged to somebody else. "
            "For another attempt:  %lab 02-basic-commands --new",
            mistake="filter-finds-parts",
        )
    left = {name: each for name, each in every.items() if each.labels.get("project") == project}
    if not left:
        return f"The containers of the project {project} are gone, and {keep} is still there."
    running = [name for name, each in left.items() if each.status == "running"]
    mistake = None
    if running and len(running) == len(left):
        mistake = "prune-spares-the-running"
    elif not running:
        mistake = "only-the-running"
    raise NotYet(f"Still there: {', '.join(sorted(left))}.", mistake=mistake)
