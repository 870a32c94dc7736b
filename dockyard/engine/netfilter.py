"""Taking back what a private dockerd did to the host's network.

dockerd leaves its bridges, its iptables rules, the FORWARD policy and ip_forward behind when it
ends. Several engines on one host share the chains (DOCKER, DOCKER-USER, …), so they go with
the last engine that uses them, and only if they were not there before the first.
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

from dockyard.core.process import Lock
from dockyard.engine.system_packages import which

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
FIRST_POOL, POOLS = 128, 120
FAMILIES = ("iptables", "ip6tables")
SWARM_BRIDGE = "docker_gwbridge"
"""The one bridge whose name every engine in swarm mode uses; the others' names are unique."""


def _before() -> Path:
    # Outside of every home on purpose: the engines of one network namespace share the chains.
    return Path(f"/run/dockyard-netfilter-{Path('/proc/self/ns/net').stat().st_ino}.json")


def _alone() -> Lock:
    return Lock("dockyard-netfilter", folder=Path("/run"))


def run(*words: str) -> str:
    """Run an administration program; its output, or an empty string when it fails or is absent."""
    program = which(words[0])
    if program is None:
        return ""
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def remember_before() -> None:
    """Write down what the host's packet filter looked like before the first engine of ours."""
    with _alone():
        if _before().exists() or any(_docker_chains(_save(family)) for family in FAMILIES):
            return
        policies = {family: _forward_policy(_save(family)) for family in FAMILIES}
        _before().write_text(
            json.dumps({"ip_forward": IP_FORWARD.read_text(), "policies": policies})
        )


@contextmanager
def others_kept(ours: Collection[str]) -> Iterator[None]:
    """Around the start of a dockerd: put back the rules of other engines that it removes.

    dockerd empties the chains it shares with every other dockerd of this host, and fills in what
    it needs itself. Published ports of the others would be lost. Rules that name one of ours are
    its own business.
    """
    with _alone():
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
    """Put rules at the head of their chains, in their order: some chains end by returning."""
    position = Counter()
    for table, rule in rules:
        chain, *rest = shlex.split(rule)[1:]
        position[table, chain] += 1
        at = str(position[table, chain])
        run(family, "--wait", "--table", table, "--insert", chain, at, *rest)


def recorded_bridges(database: Path) -> dict[str, ipaddress.IPv4Network]:
    """The bridges of a dockerd by name, from the file in which it remembers its networks.

    The file is readable while its owner is dead. It is a B+ tree (bbolt) of JSON documents, each
    in one piece; those of removed networks may still be in it.
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
            continue  # a page that was partly written over
    return found


def sweep(owned: Mapping[str, ipaddress.IPv4Network]) -> None:
    """Remove the named bridges and their rules, then the chains if nobody uses them.

    Rules that name an address alone go when no bridge of somebody else has that address range.
    """
    with _alone():
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
        if _before().exists() and not any(_in_use(_save(family)) for family in FAMILIES):
            _restore(json.loads(_before().read_text()))
            _before().unlink()


def make_bridge(name: str, address: str) -> None:
    """Make a bridge with an address such as ``10.128.0.1/24``, or give it to one that exists.

    Its hardware address is fixed. Otherwise the kernel takes the lowest of the bridge's ports:
    it changes as containers come and go, and what the others send to this host is lost until
    they ask for it again, which can take minutes.
    """
    hardware = ipaddress.IPv4Interface(address).packed.hex(":")
    run("ip", "link", "add", name, "type", "bridge")
    run("ip", "link", "set", name, "address", f"02:42:{hardware}")
    run("ip", "address", "replace", address, "dev", name)
    run("ip", "link", "set", name, "up")


def bridges() -> dict[str, list[ipaddress.IPv4Network]]:
    """The host's bridges by name, each with its address ranges."""
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
    """A private /16 that no route of this host overlaps.

    The search begins at a place that follows from token, so that two homes whose engines do
    not run at the same time hardly ever remember the same one.
    """
    first = int(hashlib.sha256(token.encode()).hexdigest(), 16)
    candidates = [
        ipaddress.IPv4Network(f"10.{FIRST_POOL + (first + step) % POOLS}.0.0/16")
        for step in range(POOLS)
    ]
    taken = _routes()
    return next((pool for pool in candidates if not _overlaps(pool, taken)), candidates[0])


def is_taken(pool: ipaddress.IPv4Network, apart_from: Collection[str]) -> bool:
    """Whether a route of this host overlaps pool, those of the named devices left out."""
    return _overlaps(pool, _routes(apart_from))


def _overlaps(pool: ipaddress.IPv4Network, networks: list[ipaddress.IPv4Network]) -> bool:
    return any(network.prefixlen and network.overlaps(pool) for network in networks)


def _routes(apart_from: Collection[str] = ()) -> list[ipaddress.IPv4Network]:
    found = []
    for route in json.loads(run("ip", "-4", "-json", "route", "show", "table", "all") or "[]"):
        try:
            if route.get("dev") not in apart_from:
                found.append(ipaddress.IPv4Network(route.get("dst", ""), strict=False))
        except ValueError:
            continue  # "default", "broadcast …" and the like name no network of their own
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
    # Rules that name a bridge, but none of ours, are somebody else's whatever their addresses.
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
    """Whether an engine still sends traffic of a bridge of its own through the shared chains."""
    return any(
        re.search(r"-[io] \S+ .*-j (DOCKER|RETURN)|-[io] \S+ -j DOCKER", rule)
        for _, rule in _rules(saved)
    )


def _restore(before: dict) -> None:
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
    """Remove the chains that Podman's netavark leaves behind, unless a container still uses them.

    A network that is in use has a chain of its own, named for the hash of its name.
    """
    with _alone():
        for family in FAMILIES:
            if not re.search(r"^:NETAVARK-[0-9A-F]{10,}", _save(family), re.MULTILINE):
                _remove_chains(family, r"NETAVARK\S*")


def unmount_below(*folders: Path) -> None:
    """Take away the mounts at or below the folders, the last made first."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return
    points = [line.split()[4] for line in mounts.read_bytes().splitlines()]
    for point in reversed(points):
        # A space is written as \040, everything beyond ASCII as it is (proc_pid_mountinfo(5)).
        where = Path(os.fsdecode(point.decode("unicode_escape").encode("latin-1")))
        if any(where.is_relative_to(folder) for folder in folders):
            run("umount", "--lazy", str(where))
