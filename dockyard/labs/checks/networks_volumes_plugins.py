"""Lab 08: networks, volumes and plugins."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from docker.models.containers import Container

from dockyard.core import docker_client
from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet

HTDOCS = "/usr/local/apache2/htdocs"
ANONYMOUS = re.compile(r"[0-9a-f]{64}")
EVERYBODY = ("0.0.0.0", "::", "")


def sea(look: Look) -> str:
    """The network is there."""
    network = look.network(look["SEA"])
    return f"There is a network {network.name}, made by the driver {network.attrs['Driver']}."


def pad(look: Look) -> str:
    """The volume is there."""
    return f"There is a volume {look.volume(look['PAD']).name}."


def memory(look: Look) -> str:
    """/scratch is a file system in memory."""
    box = look.running(look["BOX"])
    _, mounts = look.execute(box, "cat", "/proc/mounts")
    kind = next((line.split()[2] for line in mounts.splitlines() if " /scratch " in line), None)
    if kind != "tmpfs":
        what = f"a file system of the kind {kind}" if kind else "no file system of its own"
        raise NotYet(f"In {box.name}, /scratch is {what}.")
    return f"{box.name} keeps /scratch in memory."


def second_card(look: Look) -> str:
    """The box is on the network."""
    box = look.running(look["BOX"])
    if look["SEA"] not in _networks(box):
        raise NotYet(f"{box.name} is on {_list(_networks(box))}.")
    return f"{box.name} is on {_list(_networks(box))}."


def pulled_out(look: Look) -> str:
    """The box is on its own network only."""
    box = look.running(look["BOX"])
    if _networks(box) != [look["SEA"]]:
        raise NotYet(f"{box.name} is on {_list(_networks(box))}.")
    return f"{box.name} is on {look['SEA']}, and on no other network."


def names(look: Look) -> str:
    """The client reaches the web server by its name."""
    web = look.running(look["WEB"])
    client_ = look.container(look["CLIENT"])
    if client_.status == "exited" and not client_.attrs["Config"]["OpenStdin"]:
        command = client_.attrs["Config"]["Cmd"] or []
        shell = command in (["sh"], ["/bin/sh"])
        raise NotYet(
            f"{client_.name} has ended with exit code {client_.attrs['State']['ExitCode']}; "
            f"its command was {' '.join(command)!r}.",
            mistake="shell-without-a-terminal" if shell else None,
        )
    look.running(client_.name)
    common = _common(web, client_)
    if not common:
        raise NotYet(
            f"{web.name} is on {_list(_networks(web))}, {client_.name} on "
            f"{_list(_networks(client_))}: they have no network in common.",
            mistake="different-networks",
        )
    if common == ["bridge"]:
        raise NotYet(
            f"The only network that {web.name} and {client_.name} have in common is bridge.",
            mistake="names-on-the-default-bridge",
        )
    _fetch(look, client_, f"http://{web.name}/")
    if doors := [each for each in web.ports.values() if each]:
        door = doors[0][0]
        raise NotYet(f"{web.name} is published at {door['HostIp']}:{door['HostPort']}.")
    return f"{client_.name} reaches http://{web.name}/ through {_list(common)}."


def apart(look: Look) -> str:
    """The store is found from the web server and not reached from the client."""
    store, web = look.running(look["STORE"]), look.running(look["WEB"])
    client_ = look.running(look["CLIENT"])
    _fetch(look, client_, f"http://{web.name}/")
    if shared := _common(store, client_):
        raise NotYet(
            f"{client_.name} and {store.name} are both on {_list(shared)}.",
            mistake="one-network-for-all",
        )
    if not _common(store, web):
        raise NotYet(
            f"{store.name} is on {_list(_networks(store))}, {web.name} on "
            f"{_list(_networks(web))}: they have no network in common.",
            mistake="different-networks",
        )
    if not look.resolves(web, store.name):
        raise Broken(f"{web.name} does not find {store.name} by its name.")
    for address in (store.name, *_addresses(store)):
        if look.execute(client_, "ping", "-c", "1", "-W", "1", address)[0] == 0:
            raise NotYet(f"{client_.name} reaches {store.name} at {address}.")
    return f"{web.name} finds {store.name}; {client_.name} reaches {web.name} only."


def door(look: Look) -> str:
    """The server answers on the loopback address alone."""
    name, port = look["DOOR"], int(look["PORT"])
    container = look.running(name)
    nowhere = not any(container.ports.values())
    look.must_publish(container, 80, port, mistake="port-not-published" if nowhere else None)
    bindings = container.attrs["NetworkSettings"]["Ports"]["80/tcp"]
    if any(binding["HostIp"] in EVERYBODY for binding in bindings):
        raise NotYet(
            f"{name} is published at port {port} of every address of this computer.",
            mistake="published-to-everybody",
        )
    look.get(port)
    return f"{name} answers at 127.0.0.1:{port}, and is published nowhere else."


def notes(look: Look) -> str:
    """The note is in the volume."""
    name, word = look["NOTES"], look["TOKEN"]
    if any(volume.name == name for volume in look.daemon.volumes.list()):
        note = look.read_volume(name, "note")
        if note is not None and word in note:
            return f"The volume {name} holds the note, and it says {word}."
    writer = look.container(look["WRITER"])
    _judge_writer(look, writer, word)
    look.volume(name)
    if note is None:
        raise NotYet(f"The volume {name} has no file note.")
    raise Broken(f"The note in the volume {name} says {note.strip()[:60]!r}.")


def _judge_writer(look: Look, writer: Container, word: str) -> None:
    """Say where the note is when it is not in the volume that was asked for."""
    text = look.read(writer, "/data/note")
    if text is None or word not in text:
        return
    inside = f"The note is in {writer.name} at /data/note"
    places = {mount["Destination"]: mount for mount in writer.attrs["Mounts"]}
    mount = places.get("/data")
    if mount is None and places:
        raise NotYet(
            f"{inside}, in the container's own layer; a volume is at {_list(sorted(places))}.",
            mistake="volume-at-another-path",
        )
    if mount is None:
        raise NotYet(
            f"{inside}, in the container's own layer.", mistake="written-to-the-container-layer"
        )
    if mount["Type"] == "volume" and ANONYMOUS.fullmatch(mount["Name"]):
        raise NotYet(f"{inside}, in a volume without a name.", mistake="anonymous-volume")
    raise NotYet(f"{inside}, in {mount.get('Name') or mount['Source']}.")


def pages(look: Look) -> str:
    """The server serves the learner's folder itself, and cannot write to it."""
    container = look.running(look["PAGES"])
    places = {mount["Destination"].rstrip("/"): mount for mount in container.attrs["Mounts"]}
    folder = look.attempt.work / "site"
    status, page = look.get(look["PAGES_PORT"])
    mount = places.get(HTDOCS)
    if mount is None:
        copied = look["TOKEN"] in page
        raise NotYet(
            f"{container.name} has nothing mounted at {HTDOCS}"
            + ("; the page is a copy." if copied else "."),
            mistake="copied-not-mounted" if copied else None,
        )
    if mount["Type"] == "volume":
        raise NotYet(
            f"{container.name} has a volume of the daemon at {HTDOCS}, not your folder.",
            mistake="folder-taken-for-a-volume",
        )
    source = Path(mount["Source"])
    if look["TOKEN"] not in page:
        empty = source != folder and source.is_dir() and not any(source.iterdir())
        raise NotYet(
            f"{container.name} serves the folder {source.name}"
            + (", which is empty." if empty else f" (status {status})."),
            mistake="folder-that-docker-made" if empty else None,
        )
    if mount["RW"]:
        raise NotYet(f"{container.name} serves your folder, and could write to it.")
    return f"{container.name} serves the folder {source.name}, and can only read it."


def plugin(look: Look) -> str:
    """The client knows the word."""
    environment = {k: v for k, v in os.environ.items() if k not in docker_client.UNSET}
    environment |= look.attempt.environment()
    done = subprocess.run(
        ["docker", "ahoy"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=20,
        check=False,
    )
    if done.returncode == 0 and look["TOKEN"] in done.stdout:
        return f"docker ahoy says {look['TOKEN']}."
    program = Path(environment["DOCKER_CONFIG"], "cli-plugins", "docker-ahoy")
    if not program.exists():
        raise NotYet("There is no program docker-ahoy among the client's plugins.")
    if not os.access(program, os.X_OK):
        raise NotYet("docker-ahoy is a file that may not be run.", mistake="plugin-not-executable")
    if "unknown command" in done.stdout or "not a docker command" in done.stdout:
        raise NotYet(
            "docker-ahoy is there, and docker does not take it for a plugin.",
            mistake="plugin-without-introduction",
        )
    raise Broken(f"docker ahoy says {done.stdout.strip()[:60]!r}.")


def _fetch(look: Look, container: Container, url: str) -> None:
    """Ask for a page inside a container; a server that has just started is given some time."""
    # This wget has a -T, which ends it with a segmentation fault where names are looked up.
    program = (
        f"for i in 1 2 3 4 5 6; do timeout 5 wget -q -O - {url} && exit; sleep 0.5; done; exit 1"
    )
    code, said = look.execute(container, "sh", "-c", program)
    if code:
        reason = (said.strip().splitlines() or ["no answer"])[-1]
        raise Broken(f"In {container.name}, {url} does not answer: {reason}.")


def _networks(container: Container) -> list[str]:
    return sorted(container.attrs["NetworkSettings"]["Networks"])


def _addresses(container: Container) -> list[str]:
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    return [network["IPAddress"] for network in networks if network["IPAddress"]]


def _common(one: Container, other: Container) -> list[str]:
    return sorted(set(_networks(one)) & set(_networks(other)))


def _list(names: list[str]) -> str:
    return " and ".join(names) if names else "no network"
