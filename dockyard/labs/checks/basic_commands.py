"""Lab 09: the basic commands."""

from __future__ import annotations

from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet
from dockyard.labs.wire import brief

MEGABYTE = 1024 * 1024


def code(look: Look) -> str:
    """The file holds the exit code."""
    ended = look.container(look["QUIT"]).attrs["State"]["ExitCode"]
    said = look.file("code.txt").strip()
    if said != str(ended):
        raise NotYet(f"code.txt says {brief(said)}, and {look['QUIT']} ended with another code.")
    return f"{look['QUIT']} has ended with exit code {ended}."


def last_line(look: Look) -> str:
    """The file holds the last line of the output."""
    lines = look.container(look["TALKER"]).logs().decode(errors="replace").splitlines()
    if not lines:
        raise NotYet(
            f"{look['TALKER']} has written nothing. "
            "For another attempt:  %lab 09-basic-commands --new"
        )
    said = look.file("last.txt").strip()
    if said != lines[-1].strip():
        raise NotYet(f"last.txt has {len(said.splitlines())} lines; it begins with {brief(said)}.")
    return f"The last line of {look['TALKER']} is in last.txt."


def killed(look: Look) -> str:
    """The container was killed and is kept."""
    container = look.container(look["NAP"])
    state = container.attrs["State"]
    if container.status != "exited":
        raise NotYet(f"{container.name} is {container.status}.")
    if state["ExitCode"] != 137:
        raise NotYet(f"{container.name} has ended with exit code {state['ExitCode']}.")
    return f"{container.name} has ended with exit code 137."


def gone(look: Look) -> str:
    """The container is gone."""
    name = look["NAP"]
    if look.has_container(name):
        raise NotYet(f"{name} is still there.")
    return f"{name} is gone."


def server(look: Look) -> str:
    """The server runs with all that was asked for."""
    name, port, word = look["WEB"], int(look["PORT"]), look["TOKEN"]
    container = look.container(name)
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
    look.running(name)
    look.must_publish(container, 80, port)
    look.get(port)
    settings = dict(each.partition("=")[::2] for each in config["Env"] or [])
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


def map(look: Look) -> str:
    """The file has been brought out."""
    text = look.file("map.txt").strip()
    if look["TOKEN"] not in text:
        raise NotYet(
            f"map.txt says {brief(text)}.",
            mistake="image-has-not-changed" if "No such file" in text else None,
        )
    return f"map.txt says {brief(text)}."


def grow(look: Look) -> str:
    """The container has more memory and has not forgotten anything."""
    container = look.running(look["SMALL"])
    memory = container.attrs["HostConfig"]["Memory"] or 0
    thought = look.execute(container, "cat", "/memory/thought")
    if thought[0] or look["TOKEN"] not in thought[1]:
        anew = look.read(container, "/since") is None
        raise NotYet(
            f"{container.name} has forgotten its thought. "
            "For another attempt:  %lab 09-basic-commands --new",
            mistake="made-anew-not-changed" if anew else "forgot-at-the-restart",
        )
    if memory != 128 * MEGABYTE:
        amount = f"{memory // MEGABYTE} MB" if memory else "no limit"
        raise NotYet(f"{container.name} has {amount} of memory.")
    return f"{container.name} has 128 MB of memory, and still knows what it had in mind."


def typo(look: Look) -> str:
    """The word was written, and all was well."""
    name = look["TYPO"]
    container = look.kept(name)
    state = container.attrs["State"]
    if container.status == "created":
        command = " ".join(container.attrs["Config"]["Cmd"] or [])
        raise NotYet(f"{name} has never run; its command is {command!r}.")
    if container.status != "exited":
        raise NotYet(f"{name} is {container.status}; it has not ended.")
    if state["ExitCode"]:
        raise NotYet(f"{name} has ended with exit code {state['ExitCode']}.")
    written = container.logs().decode(errors="replace")
    if look["TOKEN"] not in written:
        raise Broken(f"{name} wrote {brief(written)}.")
    return f"{name} has written {look['TOKEN']} and ended with exit code 0."


def clean(look: Look) -> str:
    """The project's containers are gone, and the other one is not."""
    project, keep = look["JUNK"], f"{look['JUNK']}-keep"
    every = {each.name: each for each in look.daemon.containers.list(all=True, ignore_removed=True)}
    if keep not in every:
        raise NotYet(
            f"{keep} is gone, and it belonged to somebody else. "
            "For another attempt:  %lab 09-basic-commands --new",
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
