"""Lab 06: networks, volumes and plugins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from docker.models.containers import Container

from dockyard.core import paths
from dockyard.labs.inspection import is_anonymous, networks_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet

HTDOCS = "/usr/local/apache2/htdocs"
PATIENCE = 20
"""Seconds for the learner's plugin."""

EVERYBODY = ("0.0.0.0", "::", "")


def sea(probe: Probe) -> str:
    """The network is there."""
    network = probe.network(probe["SEA"])
    return f"There is a network {network.name}, made by the driver {network.attrs['Driver']}."


def pad(probe: Probe) -> str:
    """The volume is there."""
    return f"There is a volume {probe.volume(probe['PAD']).name}."


def memory(probe: Probe) -> str:
    """/scratch is a file system in memory."""
    box = probe.running(probe["BOX"])
    _, mounts = probe.execute(box, "cat", "/proc/mounts")
    kind = next((line.split()[2] for line in mounts.splitlines() if " /scratch " in line), None)
    if kind != "tmpfs":
        what = f"a file system of the kind {kind}" if kind else "no file system of its own"
        raise NotYet(f"In {box.name}, /scratch is {what}.")
    return f"{box.name} keeps /scratch in memory."


def second_card(probe: Probe) -> str:
    """The box is on the network."""
    box = probe.running(probe["BOX"])
    if probe["SEA"] not in networks_of(box):
        raise NotYet(f"{box.name} is on {_list(networks_of(box))}.")
    return f"{box.name} is on {_list(networks_of(box))}."


def pulled_out(probe: Probe) -> str:
    """The box is on its own network only."""
    box = probe.running(probe["BOX"])
    if networks_of(box) != [probe["SEA"]]:
        raise NotYet(f"{box.name} is on {_list(networks_of(box))}.")
    return f"{box.name} is on {probe['SEA']}, and on no other network."


def names(probe: Probe) -> str:
    """The client reaches the web server by its name."""
    web = probe.running(probe["WEB"])
    client_ = probe.container(probe["CLIENT"])
    if client_.status == "exited" and not client_.attrs["Config"]["OpenStdin"]:
        command = client_.attrs["Config"]["Cmd"] or []
        shell = command in (["sh"], ["/bin/sh"])
        raise NotYet(
            f"{client_.name} has ended with exit code {client_.attrs['State']['ExitCode']}; "
            f"its command was {' '.join(command)!r}.",
            mistake="shell-without-a-terminal" if shell else None,
        )
    probe.running(probe["CLIENT"])
    common = _common(web, client_)
    if not common:
        raise NotYet(
            f"{web.name} is on {_list(networks_of(web))}, {client_.name} on "
            f"{_list(networks_of(client_))}: they have no network in common.",
            mistake="different-networks",
        )
    if common == ["bridge"]:
        raise NotYet(
            f"The only network that {web.name} and {client_.name} have in common is bridge.",
            mistake="names-on-the-default-bridge",
        )
    _fetch(probe, client_, f"http://{web.name}/")
    if doors := [each for each in web.ports.values() if each]:
        door = doors[0][0]
        raise NotYet(f"{web.name} is published at {door['HostIp']}:{door['HostPort']}.")
    return f"{client_.name} reaches http://{web.name}/ through {_list(common)}."


def apart(probe: Probe) -> str:
    """The store is found from the web server and not reached from the client."""
    store, web = probe.running(probe["STORE"]), probe.running(probe["WEB"])
    client_ = probe.running(probe["CLIENT"])
    _fetch(probe, client_, f"http://{web.name}/")
    if shared := _common(store, client_):
        raise NotYet(
            f"{client_.name} and {store.name} are both on {_list(shared)}.",
            mistake="one-network-for-all",
        )
    if not _common(store, web):
        raise NotYet(
            f"{store.name} is on {_list(networks_of(store))}, {web.name} on "
            f"{_list(networks_of(web))}: they have no network in common.",
            mistake="different-networks",
        )
    if not probe.resolves(web, probe["STORE"]):
        raise Broken(f"{web.name} does not find {store.name} by its name.")
    for address in (probe["STORE"], *_addresses(store)):
        if probe.execute(client_, "ping", "-c", "1", "-W", "1", address)[0] == 0:
            raise NotYet(f"{client_.name} reaches {store.name} at {address}.")
    return f"{web.name} finds {store.name}; {client_.name} reaches {web.name} only."


def door(probe: Probe) -> str:
    """The server answers on the loopback address alone."""
    name, port = probe["DOOR"], int(probe["PORT"])
    container = probe.running(name)
    nowhere = not any(container.ports.values())
    probe.must_publish(container, 80, port, mistake="port-not-published" if nowhere else None)
    bindings = container.attrs["NetworkSettings"]["Ports"]["80/tcp"]
    if any(binding["HostIp"] in EVERYBODY for binding in bindings):
        raise NotYet(
            f"{name} is published at port {port} of every address of this computer.",
            mistake="published-to-everybody",
        )
    probe.get(port)
    return f"{name} answers at 127.0.0.1:{port}, and is published nowhere else."


def notes(probe: Probe) -> str:
    """The note is in the volume."""
    name, word = probe["NOTES"], probe["TOKEN"]
    if any(volume.name == name for volume in probe.daemon.volumes.list()):
        note = probe.read_volume(name, "note")
        if note is not None and word in note:
            return f"The volume {name} holds the note, and it says {word}."
    writer = probe.container(probe["WRITER"])
    _judge_writer(probe, writer, word)
    probe.volume(name)
    if note is None:
        raise NotYet(f"The volume {name} has no file note.")
    raise Broken(f"The note in the volume {name} says {note.strip()[:60]!r}.")


def _judge_writer(probe: Probe, writer: Container, word: str) -> None:
    """Raise NotYet with the place of the note when the writer put it elsewhere."""
    text = probe.read(writer, "/data/note")
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
    if mount["Type"] == "volume" and is_anonymous(mount["Name"]):
        raise NotYet(f"{inside}, in a volume without a name.", mistake="anonymous-volume")
    raise NotYet(f"{inside}, in {mount.get('Name') or mount['Source']}.")


def pages(probe: Probe) -> str:
    """The server serves the learner's folder, mounted read-only."""
    container = probe.running(probe["PAGES"])
    places = {mount["Destination"].rstrip("/"): mount for mount in container.attrs["Mounts"]}
    folder = probe.attempt.work / "site"
    status, page = probe.get(probe["PAGES_PORT"])
    mount = places.get(HTDOCS)
    if mount is None:
        copied = probe["TOKEN"] in page
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
    if probe["TOKEN"] not in page:
        empty = source != folder and source.is_dir() and not any(source.iterdir())
        raise NotYet(
            f"{container.name} serves the folder {source.name}"
            + (", which is empty." if empty else f" (status {status})."),
            mistake="folder-that-docker-made" if empty else None,
        )
    if mount["RW"]:
        raise NotYet(f"{container.name} serves your folder, and could write to it.")
    return f"{container.name} serves the folder {source.name}, and can only read it."


def plugin(probe: Probe) -> str:
    """The client has a new command, which prints the word."""
    try:
        done = probe.attempt.run("docker ahoy", timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Broken(f"docker ahoy had not ended after {PATIENCE} s.") from None
    if done.returncode == 0 and probe["TOKEN"] in done.stdout:
        return f"docker ahoy says {probe['TOKEN']}."
    program = paths.docker_config(probe.attempt.lesson) / "cli-plugins" / "docker-ahoy"
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


def _fetch(probe: Probe, container: Container, url: str) -> None:
    """Fetch a page from inside a container; retry while the server is starting."""
    # This wget crashes (segmentation fault) when it has the option -T and looks up a name.
    program = (
        f"for i in 1 2 3 4 5 6; do timeout 5 wget -q -O - {url} && exit; sleep 0.5; done; exit 1"
    )
    code, said = probe.execute(container, "sh", "-c", program)
    if code:
        reason = (said.strip().splitlines() or ["no answer"])[-1]
        raise Broken(f"In {container.name}, {url} does not answer: {reason}.")


def _addresses(container: Container) -> list[str]:
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    return [network["IPAddress"] for network in networks if network["IPAddress"]]


def _common(one: Container, other: Container) -> list[str]:
    return sorted(set(networks_of(one)) & set(networks_of(other)))


def _list(names: list[str]) -> str:
    return " and ".join(names) if names else "no network"
