"""Tries connections between containers and explains why they fail."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace

import docker

from dockyard.core.labels import LESSON
from dockyard.exceptions import UsageError
from dockyard.views.daemon_objects import Fact
from dockyard.views.scope import HELPER

TOOLS = "busybox"
"""The image with the tools to connect; the container's own image may have none."""

CONNECT_SECONDS = 2
NAMELESS = "bridge"
"""The default network, in which the daemon does not resolve names."""

_LISTEN = "0A"
# Of /proc/net/tcp and tcp6 (proc_pid_net(5)): "sl: address:port remote state", in hexadecimal.
_SOCKET = re.compile(r"^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) ", re.MULTILINE)
_LOOPBACK = re.compile(r"^(?:[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F)$")


@dataclass(frozen=True)
class ConnectionAttempt:
    """The result of a connection attempt.

    shared are the networks that both containers are in. by_name and by_address are ``connected``,
    ``not found``, ``refused``, ``no answer``, ``no route`` or ``not tried``.
    """

    source: str
    target: str
    port: int
    shared: tuple[str, ...] = ()
    by_name: str = "not tried"
    by_address: str = "not tried"
    why: str = ""
    next: str = ""

    @property
    def works(self) -> bool:
        """Whether the target accepts a connection to its name."""
        return self.by_name == "connected"

    def __str__(self) -> str:
        lines = [
            f"{self.source} → {self.target}, port {self.port}: {'yes' if self.works else 'no'}",
            f"networks in common: {', '.join(self.shared) or 'none'}",
            f"by name: {self.by_name}; by address: {self.by_address}",
            self.why,
        ]
        return "\n".join([*lines, *([f"To change it: {self.next}"] if self.next else [])])

    __repr__ = __str__


def attempt(
    daemon: docker.DockerClient, source: Fact, target: Fact, port: int, lesson: str | None = None
) -> ConnectionAttempt:
    """Connect from source to a port of target, by name and by address (TCP).

    source and target come from daemon_objects.containers(). A helper container in the source's
    network namespace connects. Takes up to 2 s per address that does not answer.
    """
    shared = tuple(sorted(source["networks"].keys() & target["networks"].keys()))
    begun = ConnectionAttempt(source["name"], target["name"], port, shared)
    for container, part in ((source, "tries"), (target, "would answer")):
        if container["state"] not in ("running", "paused"):
            return replace(
                begun,
                why=f"{container['name']} is {container['state']}: nobody {part} there.",
                next=f"docker start {container['name']}",
            )
    addresses = [address for name, address in sorted(target["networks"].items()) if address]
    addresses.sort(key=lambda address: address not in [target["networks"][net] for net in shared])
    answers = _try(daemon, source, [target["name"], *addresses], port, lesson)
    by_address = next((each for each in answers[1:] if each == "connected"), "")
    by_address = by_address or (answers[1] if addresses else "it has none")
    tried = replace(begun, by_name=answers[0], by_address=by_address)
    why, next_step = _explain(daemon, tried, source, target, lesson)
    return replace(tried, why=why, next=next_step)


def _try(
    daemon: docker.DockerClient, source: Fact, hosts: list[str], port: int, lesson: str | None
) -> list[str]:
    lines = [
        # nc waits for a server that sends nothing, so no output after -w means "connected".
        f"echo $(timeout {CONNECT_SECONDS + 1} nc -w {CONNECT_SECONDS} {shlex.quote(host)} {port}"
        " < /dev/null 2>&1 > /dev/null | head -n 1)"
        for host in hosts
    ]
    said = _in_network_of(daemon, source, "; ".join(lines), lesson).splitlines()
    return [_verdict(line) for line in said]


def _verdict(said: str) -> str:
    for words, verdict in (
        ("bad address", "not found"),
        ("refused", "refused"),
        ("timed out", "no answer"),
        ("unreachable", "no route"),
    ):
        if words in said:
            return verdict
    return "connected" if not said or "erminated" in said else said


def _in_network_of(
    daemon: docker.DockerClient, container: Fact, script: str, lesson: str | None
) -> str:
    try:
        daemon.images.get(TOOLS)
    except docker.errors.ImageNotFound:
        daemon.images.pull(TOOLS, "latest")
    # Errors come back as text: the script always succeeds.
    output = daemon.containers.run(
        TOOLS,
        ["sh", "-c", script],
        network_mode=f"container:{container['id']}",
        labels={HELPER: "1"} | ({LESSON: lesson} if lesson else {}),
        remove=True,
    )
    return output.decode(errors="replace")


_OWN_NETWORK = "docker network create NET, then docker network connect NET for both"
_ADDRESS = {
    "connected": "the address is reached",
    "refused": "the address is reached, but nobody listens on this port",
}


def _explain(
    daemon: docker.DockerClient,
    tried: ConnectionAttempt,
    source: Fact,
    target: Fact,
    lesson: str | None,
) -> tuple[str, str]:
    """Why the attempt ended like this, and what would change it."""
    there = tried.target
    if tried.works:
        return f"The name leads to an address, and {there} listens on port {tried.port}.", ""
    if tried.by_name == "refused":
        return _explain_refusal(daemon, tried, target, lesson)
    if target["state"] == "paused":
        return f"{there} is paused: its processes get no time to answer.", f"docker unpause {there}"
    if not tried.shared:
        return _explain_apart(tried, source, target)
    if tried.by_name == "not found":
        why = f"nobody in the network answers for the name {there}"
        if set(tried.shared) == {NAMELESS}:
            why = f"the default network {NAMELESS} has no names"
        return f"No name: {why}; {_address(tried)}.", _OWN_NETWORK
    return f"The name leads to an address, but no answer comes from port {tried.port}.", ""


def _address(tried: ConnectionAttempt) -> str:
    return _ADDRESS.get(tried.by_address, "the address does not answer either")


def _explain_apart(tried: ConnectionAttempt, source: Fact, target: Fact) -> tuple[str, str]:
    here, there = tried.source, tried.target
    for container in (source, target):
        if "none" in container["networks"]:
            return f"{container['name']} has no network at all (none).", ""
        if "host" in container["networks"]:
            return f"{container['name']} uses the host's own network, which has no names.", ""
    why = f"{here} and {there} have no network in common: no name, and {_address(tried)}."
    home = next(iter(sorted(set(target["networks"]) - {NAMELESS})), "")
    return why, f"docker network connect {home} {here}" if home else _OWN_NETWORK


def _explain_refusal(
    daemon: docker.DockerClient, tried: ConnectionAttempt, target: Fact, lesson: str | None
) -> tuple[str, str]:
    table = _in_network_of(daemon, target, "cat /proc/net/tcp /proc/net/tcp6 2>&1; true", lesson)
    everywhere, loopback = listening(table)
    there, port = tried.target, tried.port
    if port in loopback:
        return (
            f"The program in {there} listens on its own 127.0.0.1 only: nobody else gets in.",
            "let the program listen on 0.0.0.0",
        )
    others = f"it listens on {', '.join(map(str, sorted(everywhere)))}" if everywhere else ""
    why = f"{there} is found, but nobody in it listens on port {port}"
    return why + (f"; {others}." if others else "."), ""


def listening(table: str) -> tuple[set[int], set[int]]:
    """The TCP ports that are open on all addresses, and those that are open on loopback only.

    table is the text of /proc/net/tcp followed by that of /proc/net/tcp6.
    """
    everywhere: set[int] = set()
    loopback: set[int] = set()
    for address, port, state in _SOCKET.findall(table):
        if state == _LISTEN:
            (loopback if _LOOPBACK.match(address) else everywhere).add(int(port, 16))
    # Docker's name server listens on 127.0.0.11 in each namespace, on a random port.
    return everywhere, loopback - everywhere


def checked_port(port: object) -> int:
    """Return a port as a number. Raises UsageError."""
    if isinstance(port, (int, str)) and str(port).isdecimal() and 0 < int(port) < 65536:
        return int(port)
    raise UsageError(f"{port!r} is no port.", next="A port is a number from 1 to 65535.")
