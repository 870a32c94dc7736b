"""The host's network around a private dockerd: its bridges, address ranges and iptables rules.

dockerd does not undo its changes when it exits: bridges, iptables rules, the FORWARD policy and
ip_forward stay. All engines of one host share the chains (DOCKER, DOCKER-USER, …), so these are
removed with the last engine of the course, and only if they did not exist before the first.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dockyard.core.process import Lock
from dockyard.engine import engine_root
from dockyard.engine.system_packages import which

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
FIRST_POOL, POOLS = 128, 120
FAMILIES = ("iptables", "ip6tables")
SWARM_BRIDGE = "docker_gwbridge"
"""The one bridge whose name every engine in swarm mode uses; the others' names are unique."""


def _initial_state() -> Path:
    # Not in a home: all engines of one network namespace share the chains.
    return Path(f"/run/dockyard-netfilter-{Path('/proc/self/ns/net').stat().st_ino}.json")


def _lock() -> Lock:
    return Lock("dockyard-netfilter", folder=Path("/run"))


def run(*words: str) -> str:
    """The output of an administration program; empty if it fails.

    It is the host's, or else the engine root's; empty if neither has it.
    """
    command: list[str | Path]
    environment = None
    if program := which(words[0]):
        command = [program, *words[1:]]
    elif engine_root.folder().exists():
        command = engine_root.command(engine_root.folder(), *words)
        environment = {**os.environ, "PATH": engine_root.PATH}
    else:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.stdout if done.returncode == 0 else ""


def remember_initial_state() -> None:
    """Save the FORWARD policies and ip_forward, unless an engine has changed them already."""
    with _lock():
        if _initial_state().exists() or any(_docker_chains(_save(family)) for family in FAMILIES):
            return
        policies = {family: _forward_policy(_save(family)) for family in FAMILIES}
        _initial_state().write_text(
            json.dumps({"ip_forward": IP_FORWARD.read_text(), "policies": policies})
        )


@contextmanager
def other_engines_rules_kept(ours: Collection[str]) -> Iterator[None]:
    """A context in which to start a dockerd: restores the rules it removes from other engines.

    dockerd flushes the chains that it shares with every other dockerd of this host, then adds its
    own rules; the others' published ports would be lost. Rules that name one of our bridges, given
    in ours, are left to dockerd.
    """
    with _lock():
        before = {family: _rules(_save(family)) for family in FAMILIES}
        try:
            yield
        finally:
            for family in FAMILIES:
                now = set(_rules(_save(family)))
                lost = [
                    (table, rule)
                    for table, rule in before[family]
                    if (table, rule) not in now and not set(ours) & set(shlex.split(rule))
                ]
                _insert(family, lost)


def _insert(family: str, rules: list[tuple[str, str]]) -> None:
    """Insert rules at the top of their chains, in order: after a RETURN they would do nothing."""
    position = Counter[tuple[str, str]]()
    for table, rule in rules:
        chain, *rest = shlex.split(rule)[1:]
        position[table, chain] += 1
        at = str(position[table, chain])
        run(family, "--wait", "--table", table, "--insert", chain, at, *rest)


def recorded_bridges(database: Path) -> dict[str, ipaddress.IPv4Network]:
    """The bridges of a dockerd by name, from libnetwork's database local-kv.db.

    Works without a running daemon. The file is a B+ tree (bbolt) of contiguous JSON documents,
    and may still contain those of removed networks.
    """
    try:
        content = database.read_bytes()
    except OSError:
        return {}
    found = {}
    for document in re.findall(rb'\{"AddressIPv4":[^{}]*"BridgeName":[^{}]*\}', content):
        try:
            network = json.loads(document)
            found[network["BridgeName"]] = ipaddress.IPv4Network(network["AddressIPv4"], False)
        except ValueError:
            continue  # a page that was partly overwritten
    return found


def sweep(owned: Mapping[str, ipaddress.IPv4Network]) -> None:
    """Remove these bridges and their rules, then the chains unless another engine uses them.

    A rule that names an address but no bridge is removed unless a bridge that is not in owned
    has that address range.
    """
    with _lock():
        there = bridges()
        ours = {
            name
            for name, network in owned.items()
            if name != SWARM_BRIDGE or network in there.get(name, [])
        }
        others = [network for name in there.keys() - ours for network in there[name]]
        ranges = [
            owned[name] for name in ours if not any(owned[name].overlaps(each) for each in others)
        ]
        for family in FAMILIES:
            for table, rule in _rules(_save(family)):
                if _belongs(rule, ours, ranges):
                    _delete(family, table, rule)
        for bridge in ours & there.keys():
            run("ip", "link", "delete", bridge)
        if _initial_state().exists() and not any(_in_use(_save(family)) for family in FAMILIES):
            _restore(json.loads(_initial_state().read_text()))
            _initial_state().unlink()


def make_bridge(name: str, address: str) -> None:
    """Create a bridge with an address such as ``10.128.0.1/24``, or assign that to an existing one.

    The MAC address is fixed. By default a bridge has the lowest MAC address of its ports, which
    changes as containers start and stop; the other containers' ARP entries for this host are then
    wrong, for minutes in the worst case.
    """
    hardware = ipaddress.IPv4Interface(address).packed.hex(":")
    run("ip", "link", "add", name, "type", "bridge")
    run("ip", "link", "set", name, "address", f"02:42:{hardware}")
    run("ip", "address", "replace", address, "dev", name)
    run("ip", "link", "set", name, "up")


def bridges() -> dict[str, list[ipaddress.IPv4Network]]:
    """The host's bridges by name, each with its IPv4 ranges."""
    links = json.loads(run("ip", "-json", "address", "show", "type", "bridge") or "[]")
    return {
        link["ifname"]: [
            ipaddress.IPv4Network(f"{info['local']}/{info['prefixlen']}", strict=False)
            for info in link.get("addr_info", [])
            if info.get("family") == "inet"
        ]
        for link in links
        if "ifname" in link
    }


def free_pool(token: str) -> ipaddress.IPv4Network:
    """A private /16 that overlaps no route of this host.

    The search starts at a hash of token, so that two homes whose engines do not run at the same
    time rarely choose the same one.
    """
    first = int(hashlib.sha256(token.encode()).hexdigest(), 16)
    candidates = [
        ipaddress.IPv4Network(f"10.{FIRST_POOL + (first + step) % POOLS}.0.0/16")
        for step in range(POOLS)
    ]
    taken = _routes()
    return next((pool for pool in candidates if not _overlaps(pool, taken)), candidates[0])


def is_used(pool: ipaddress.IPv4Network, ignoring: Collection[str]) -> bool:
    """Whether a route of this host overlaps pool, except those of the devices in ignoring."""
    return _overlaps(pool, _routes(ignoring))


def _overlaps(pool: ipaddress.IPv4Network, networks: list[ipaddress.IPv4Network]) -> bool:
    return any(network.prefixlen and network.overlaps(pool) for network in networks)


def _routes(ignoring: Collection[str] = ()) -> list[ipaddress.IPv4Network]:
    found = []
    for route in json.loads(run("ip", "-4", "-json", "route", "show", "table", "all") or "[]"):
        try:
            if route.get("dev") not in ignoring:
                found.append(ipaddress.IPv4Network(route.get("dst", ""), strict=False))
        except ValueError:
            continue  # "default", "broadcast …" and the like are not networks
    return found


def _save(family: str) -> str:
    return run(f"{family}-save")


def _rules(saved: str) -> list[tuple[str, str]]:
    table, found = "", []
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            found.append((table, line))
    return found


def _docker_chains(saved: str) -> bool:
    return bool(re.search(r"^:DOCKER", saved, re.MULTILINE))


def _forward_policy(saved: str) -> str:
    filter_table = saved.partition("*filter")[2].partition("COMMIT")[0]
    found = re.search(r"^:FORWARD (\w+)", filter_table, re.MULTILINE)
    return found[1] if found else "ACCEPT"


def _belongs(rule: str, ours: set[str], ranges: list[ipaddress.IPv4Network]) -> bool:
    words = shlex.split(rule)
    if ours & set(words):
        return True
    # A rule that names other bridges is another engine's, whatever addresses it names.
    if any(word in ("-i", "-o") for word in words):
        return False
    for word in words:
        address = word.rpartition(":")[0] if word.count(":") == 1 else word
        try:
            named = ipaddress.IPv4Network(address, strict=False)
        except ValueError:
            continue
        if any(named.subnet_of(network) for network in ranges):
            return True
    return False


def _delete(family: str, table: str, rule: str) -> None:
    run(family, "--wait", "--table", table, "-D", *shlex.split(rule)[1:])


def _in_use(saved: str) -> bool:
    """Whether a rule still sends a bridge's traffic through the shared chains."""
    return any(
        re.search(r"-[io] \S+ .*-j (DOCKER|RETURN)|-[io] \S+ -j DOCKER", rule)
        for _, rule in _rules(saved)
    )


def _restore(before: dict[str, Any]) -> None:
    for family in FAMILIES:
        _remove_chains(family, r"DOCKER\S*")
        if _save(family):
            run(family, "--wait", "--policy", "FORWARD", before["policies"].get(family, "ACCEPT"))
    if IP_FORWARD.read_text() != before["ip_forward"]:
        IP_FORWARD.write_text(before["ip_forward"])


def _remove_chains(family: str, pattern: str) -> None:
    saved = _save(family)
    chains = re.findall(rf"^:({pattern}) ", saved, re.MULTILINE)
    for table in ("filter", "nat"):
        for where, rule in _rules(saved):
            if where == table and any(word in chains for word in shlex.split(rule)[3:]):
                _delete(family, table, rule)
        here = saved.partition(f"*{table}")[2].partition("COMMIT")[0]
        for what in ("--flush", "--delete-chain"):
            for chain in re.findall(rf"^:({pattern}) ", here, re.MULTILINE):
                run(family, "--wait", "--table", table, what, chain)


def remove_podman_chains() -> None:
    """Remove the chains that Podman's netavark leaves behind, unless a container uses them.

    Each network in use has a chain whose name contains the hash of the network's name.
    """
    with _lock():
        for family in FAMILIES:
            if not re.search(r"^:NETAVARK-[0-9A-F]{10,}", _save(family), re.MULTILINE):
                _remove_chains(family, r"NETAVARK\S*")


def unmount_below(*folders: Path) -> None:
    """Unmount everything at or below the folders, the newest mount first."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return
    points = [line.split()[4] for line in mounts.read_bytes().splitlines()]
    for point in reversed(points):
        # A space is escaped as \040, non-ASCII bytes are not escaped (proc_pid_mountinfo(5)).
        where = Path(os.fsdecode(point.decode("unicode_escape").encode("latin-1")))
        if any(where.is_relative_to(folder) for folder in folders):
            run("umount", "--lazy", str(where))
