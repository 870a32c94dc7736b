"""Lab 06: networks and plugins."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess

import psutil
from docker.models.containers import Container

from dockyard.core import paths
from dockyard.labs.inspection import name_of, networks_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet

PATIENCE = 20
"""Seconds for the learner's plugin."""

EVERYBODY = ("0.0.0.0", "::", "")


def sea(probe: Probe) -> str:
    """The network is there."""
    network = probe.network(probe["SEA"])
    return f"There is a network {network.name}, made by the driver {network.attrs['Driver']}."


def box(probe: Probe) -> str:
    """The container runs."""
    return f"{probe.running(probe['BOX']).name} is running."


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
    probe.must_be_from(web, "httpd:2.4")
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
    try:
        # Names can work without a network of one's own, too: `--link`, `--network container:`.
        _fetch(probe, client_, f"http://{web.name}/", tries=4 if set(common) - {"bridge"} else 2)
    except Broken:
        _judge_common(web, client_, common)
        raise
    if doors := [each for each in web.ports.values() if each]:
        door = doors[0][0]
        raise NotYet(f"{web.name} is published at {door['HostIp']}:{door['HostPort']}.")
    return f"{client_.name} reaches http://{web.name}/" + (
        f" through {_list(common)}." if common else "."
    )


def _judge_common(web: Container, client_: Container, common: list[str]) -> None:
    """Raise NotYet when the two have no network on which names work."""
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


def apart(probe: Probe) -> str:
    """The store is found from the web server and not reached from the client."""
    store, web = probe.running(probe["STORE"]), probe.running(probe["WEB"])
    client_ = probe.running(probe["CLIENT"])
    _fetch(probe, client_, f"http://{web.name}/")
    for address in (name_of(store), *_addresses(store)):
        if probe.execute(client_, "ping", "-c", "1", "-W", "1", address)[0] == 0:
            shared = _common(store, client_)
            raise NotYet(
                f"{client_.name} and {store.name} are both on {_list(shared)}."
                if shared
                else f"{client_.name} reaches {store.name} at {address}.",
                mistake="one-network-for-all" if shared else None,
            )
    if not probe.resolves(web, name_of(store)):
        if not _common(store, web):
            raise NotYet(
                f"{store.name} is on {_list(networks_of(store))}, {web.name} on "
                f"{_list(networks_of(web))}: they have no network in common.",
                mistake="different-networks",
            )
        raise Broken(f"{web.name} does not find {store.name} by its name.")
    return f"{web.name} finds {store.name}; {client_.name} reaches {web.name} only."


def door(probe: Probe) -> str:
    """The server answers on the loopback address alone."""
    name, port = probe["DOOR"], int(probe["PORT"])
    container = probe.serving(name, port, 80)
    probe.must_be_from(container, "httpd:2.4")
    ports = probe.interfaces_of(container).ports
    for binding in (each for bound in ports.values() for each in bound or ()):
        if binding["HostIp"] in EVERYBODY:
            raise NotYet(
                f"{name} is published at port {binding['HostPort']} of every address of this "
                "computer.",
                mistake="published-to-everybody",
            )
        if not ipaddress.ip_address(binding["HostIp"]).is_loopback:
            raise NotYet(f"{name} is also published at {binding['HostIp']}.")
    probe.reach(container, port, 80)
    if elsewhere := [address for address in _own_addresses() if _listens(address, port)]:
        raise NotYet(f"{name} answers at {elsewhere[0]}:{port}, too.")
    return f"{name} answers at 127.0.0.1:{port}, and nowhere else."


def _own_addresses() -> list[str]:
    """The addresses of this computer at which others reach it."""
    found = (address for every in psutil.net_if_addrs().values() for address in every)
    addresses = [each.address for each in found if each.family == socket.AF_INET]
    return [each for each in addresses if not ipaddress.ip_address(each).is_loopback]


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


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


def _fetch(probe: Probe, container: Container, url: str, tries: int = 6) -> None:
    """Fetch a page from inside a container; retry while the server is starting."""
    # This wget crashes (segmentation fault) when it has the option -T and looks up a name.
    once = f"timeout 5 wget -q -O - {url} && exit; sleep 0.5"
    program = f"for i in $(seq {tries}); do {once}; done; exit 1"
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
