"""Lab 09: architecture."""

from __future__ import annotations

import itertools
import json
import re

from docker.models.containers import Container

from dockyard.core import paths
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief


def socket(probe: Probe) -> str:
    """The file holds the front door's path."""
    written = probe.file("socket.txt").strip().removeprefix("unix://")
    if written != str(paths.front_door()):
        raise NotYet(f"socket.txt says {brief(written)!r}; your client uses another one.")
    return "socket.txt has the path at which client and daemon meet."


def other_program(probe: Probe) -> str:
    """The file holds the daemon's version, alone."""
    written = probe.file("daemon.txt")
    if written.strip() != probe.daemon.version()["Version"]:
        raise NotYet(f"daemon.txt says {brief(written)!r}; that is not the daemon's version alone.")
    return "daemon.txt has the daemon's version."


def knock(probe: Probe) -> str:
    """The file holds the daemon's answer."""
    written = probe.file("ping.txt").strip()
    if written != "OK":
        raise NotYet(f"ping.txt says {brief(written)!r}.")
    return "ping.txt says OK: the daemon is there."


def kinds(probe: Probe) -> str:
    """There is one object of each kind, and the container uses the others."""
    network, volume = probe.network(probe["NET"]), probe.volume(probe["STORE"])
    cook, name = probe.container(probe["COOK"]), f"{probe['COOK']}:1"
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
    if probe.settings(name).get("Cmd") != cook.attrs["Config"]["Cmd"]:
        raise NotYet(f"{name} was not made from {cook.name}: it starts something else.")
    return f"{network.name}, {volume.name}, {cook.name} and {name} are there, and joined."


def retold(probe: Probe) -> str:
    """The file lists the daemon's steps in order."""
    container = probe.container(probe["TALK"])
    if container.status != "exited" or probe["TOKEN"] not in probe.log(container):
        raise NotYet(f"{container.name} is {container.status}; it has not printed the word.")
    written = probe.file("events.txt")
    # In any format, such as JSON, which names an event twice.
    found = re.findall(r"(?<![\w-])(create|start|die)(?![\w-])", written)
    words = [word for word, _ in itertools.groupby(found)]
    if words[:3] != ["create", "start", "die"]:
        raise NotYet(
            f"events.txt says {brief(written)!r}.",
            mistake="log-taken-for-events" if probe["TOKEN"] in written and not words else None,
        )
    return f"events.txt retells what was done for {container.name}: create, start, die."


def answered(probe: Probe) -> str:
    """The file is the daemon's answer about the container."""
    container, written = probe.container(probe["MODEL"]), probe.file("answer.json")
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


def copied(probe: Probe) -> str:
    """Two containers have the same settings."""
    model, copy = probe.container(probe["MODEL"]), probe.container(probe["COPY"])
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
"""Commands whose client runs until the container exits."""


def alone(probe: Probe) -> str:
    """A container runs on the second engine without a client."""
    name = probe["LONG"]
    boat = probe.boat(name)
    state = probe.there(boat, name)["State"]["Status"]
    if state != "running":
        raise Broken(f"{name} on {boat.name} is {state}.")
    programs = [row[-1].split() for row in boat.top(ps_args="-e -o pid,args")["Processes"]]
    # Another check may be running a Docker client there at the same time.
    if any("docker" in words[:1] and WAITING & set(words) for words in programs):
        raise NotYet(
            f"{name} runs on {boat.name}, and a client is there that waits for it.",
            mistake="client-still-waits",
        )
    return f"{name} runs on {boat.name}, and no client waits for it."
