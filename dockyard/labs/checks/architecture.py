"""Lab 02: architecture."""

from __future__ import annotations

import json

from docker.models.containers import Container

from dockyard.core import paths
from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet
from dockyard.labs.wire import brief


def socket(look: Look) -> str:
    """The file holds the front door's path."""
    written = look.file("socket.txt").strip().removeprefix("unix://")
    if written != str(paths.front_door()):
        raise NotYet(f"socket.txt says {brief(written)!r}; your client uses another one.")
    return "socket.txt has the path at which client and daemon meet."


def other_program(look: Look) -> str:
    """The file holds the daemon's version, alone."""
    written = look.file("daemon.txt")
    if written.strip() != look.daemon.version()["Version"]:
        raise NotYet(f"daemon.txt says {brief(written)!r}; that is not the daemon's version alone.")
    return "daemon.txt has the daemon's version."


def knock(look: Look) -> str:
    """The file holds the daemon's answer."""
    written = look.file("ping.txt").strip()
    if written != "OK":
        raise NotYet(f"ping.txt says {brief(written)!r}.")
    return "ping.txt says OK: the daemon is there."


def kinds(look: Look) -> str:
    """One object of each kind, and they belong together."""
    network, volume = look.network(look["NET"]), look.volume(look["STORE"])
    cook, name = look.container(look["COOK"]), f"{look['COOK']}:1"
    joined = cook.attrs["NetworkSettings"]["Networks"]
    mounts = {each["Destination"]: each.get("Name") for each in cook.attrs["Mounts"]}
    missing = []
    if network.name not in joined:
        missing.append(f"is not on the network {network.name}")
    if mounts.get("/store") != volume.name:
        missing.append(f"has no volume {volume.name} at /store")
    if missing:
        mistake = "made-but-not-joined" if len(missing) == 2 and not mounts else None
        raise NotYet(f"{cook.name} {' and '.join(missing)}.", mistake=mistake)
    if look.settings(name).get("Cmd") != cook.attrs["Config"]["Cmd"]:
        raise NotYet(f"{name} was not made from {cook.name}: it starts something else.")
    return f"{network.name}, {volume.name}, {cook.name} and {name} are there, and joined."


def retold(look: Look) -> str:
    """The daemon's steps, in their order."""
    container = look.container(look["TALK"])
    if container.status != "exited" or look["TOKEN"] not in container.logs().decode():
        raise NotYet(f"{container.name} is {container.status}; it has not printed the word.")
    written = look.file("events.txt")
    words = [word for word in written.split() if word in ("create", "start", "die")]
    if words[:3] != ["create", "start", "die"]:
        raise NotYet(
            f"events.txt says {brief(written)!r}.",
            mistake="log-taken-for-events" if look["TOKEN"] in written and not words else None,
        )
    return f"events.txt retells what was done for {container.name}: create, start, die."


def answered(look: Look) -> str:
    """The file is the daemon's answer about the container."""
    container, written = look.container(look["MODEL"]), look.file("answer.json")
    try:
        answer = json.loads(written)
    except ValueError:
        raise NotYet(f"answer.json is not JSON: {brief(written)!r}.") from None
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, dict) or answer.get("Id") != container.id:
        refused = isinstance(answer, dict) and set(answer) == {"message"}
        raise NotYet(
            f"answer.json is not about {container.name}: {brief(written)!r}.",
            mistake="refusal-was-kept" if refused else None,
        )
    return f"answer.json has what the daemon knows of {container.name}."


def copied(look: Look) -> str:
    """Two containers of one description."""
    model, copy = look.container(look["MODEL"]), look.container(look["COPY"])
    wanted, found = _description(model), _description(copy)
    if differing := [what for what in wanted if wanted[what] != found[what]]:
        raise NotYet(
            f"{copy.name} differs from {model.name} in: {', '.join(differing)}.",
            mistake="settings-left-out" if len(differing) > 1 else None,
        )
    return f"{copy.name} is as {model.name} is."


def _description(container: Container) -> dict:
    config, host = container.attrs["Config"], container.attrs["HostConfig"]
    policy = host["RestartPolicy"]
    return {
        "image": container.attrs["Image"],
        "command": [container.attrs["Path"], *container.attrs["Args"]],
        "variables": {each for each in config["Env"] or [] if not each.startswith("PATH=")},
        "folder": config["WorkingDir"],
        "user": config["User"],
        "init": bool(host.get("Init")),
        "restart policy": (policy["Name"], policy["MaximumRetryCount"]),
    }


WAITING = {"run", "start", "attach"}
"""What a client can have been asked for that stays until a container ends."""


def alone(look: Look) -> str:
    """On the second engine a container runs, and no client does."""
    name = look["LONG"]
    boat = look.boat(name)
    state = look.there(boat, name)["State"]["Status"]
    if state != "running":
        raise Broken(f"{name} on {boat.name} is {state}.")
    programs = [row[-1].split() for row in boat.top(ps_args="-e -o pid,args")["Processes"]]
    # Another check may be looking at the same time, with a docker client of its own.
    if any("docker" in words[:1] and WAITING & set(words) for words in programs):
        raise NotYet(
            f"{name} runs on {boat.name}, and a client is there that waits for it.",
            mistake="client-still-waits",
        )
    return f"{name} runs on {boat.name}, and no client waits for it."
