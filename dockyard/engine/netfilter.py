"""Taking back what a private dockerd did to the host's network.

dockerd leaves its bridges, its iptables rules, the FORWARD policy and ip_forward behind when it
ends. Several engines on one host share the chains (DOCKER, DOCKER-USER, …), so they go with
the last engine that uses them, and only if they were not there before the first.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import shlex
import subprocess
from pathlib import Path

from dockyard.engine.packages import which
from dockyard.process import Lock

# Machine-wide on purpose: several homes share one set of chains.
BEFORE = Path("/run/dockyard-netfilter.json")
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
FIRST_POOL, POOLS = 128, 120
FAMILIES = ("iptables", "ip6tables")


def run(*words: str) -> str:
    """Run an administration program; its output, or an empty string when it fails or is absent."""
    program = which(words[0])
    if program is None:
        return ""
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def remember_before() -> None:
    """Write down what the host's packet filter looked like before the first engine of ours."""
    with Lock("netfilter"):
        if BEFORE.exists() or any(_docker_chains(_save(family)) for family in FAMILIES):
            return
        policies = {family: _forward_policy(_save(family)) for family in FAMILIES}
        BEFORE.write_text(json.dumps({"ip_forward": IP_FORWARD.read_text(), "policies": policies}))


def sweep(pool: ipaddress.IPv4Network) -> None:
    """Remove the bridges and rules that belong to pool, then the chains if nobody uses them."""
    with Lock("netfilter"):
        bridges = bridges_in(pool)
        for family in FAMILIES:
            for table, rule in _rules(_save(family)):
                if _belongs(rule, pool, bridges):
                    _delete(family, table, rule)
        for bridge in bridges:
            run("ip", "link", "delete", bridge)
        if BEFORE.exists() and not any(_in_use(_save(family)) for family in FAMILIES):
            _restore(json.loads(BEFORE.read_text()))
            BEFORE.unlink()


def bridges_in(pool: ipaddress.IPv4Network) -> list[str]:
    """The names of the host's bridges with an address in pool."""
    links = json.loads(run("ip", "-json", "address", "show", "type", "bridge") or "[]")
    return [
        link["ifname"]
        for link in links
        if any(
            ipaddress.ip_address(info["local"]) in pool
            for info in link.get("addr_info", [])
            if info.get("family") == "inet"
        )
    ]


def free_pool(token: str) -> ipaddress.IPv4Network:
    """A private /16 that no route of this host overlaps.

    The search begins at a place that follows from token, so that two homes whose engines do
    not run at the same time hardly ever remember the same one.
    """
    routes = json.loads(run("ip", "-json", "route", "show", "table", "all") or "[]")
    taken = []
    for route in routes:
        try:
            taken.append(ipaddress.ip_network(route.get("dst", ""), strict=False))
        except ValueError:
            continue  # "default", "broadcast …" and the like name no network of their own
    first = int(hashlib.sha256(token.encode()).hexdigest(), 16)
    candidates = [
        ipaddress.ip_network(f"10.{FIRST_POOL + (first + step) % POOLS}.0.0/16")
        for step in range(POOLS)
    ]
    for candidate in candidates:
        if not any(
            net.version == candidate.version and net.prefixlen and net.overlaps(candidate)
            for net in taken
        ):
            return candidate
    return candidates[0]


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


def _belongs(rule: str, pool: ipaddress.IPv4Network, bridges: list[str]) -> bool:
    words = shlex.split(rule)
    for word in words:
        if word in bridges:
            return True
        address = word.rpartition(":")[0] if word.count(":") == 1 else word
        try:
            if ipaddress.ip_network(address, strict=False).subnet_of(pool):
                return True
        except (ValueError, TypeError):
            continue
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
        saved = _save(family)
        chains = re.findall(r"^:(DOCKER\S*)", saved, re.MULTILINE)
        for table in ("filter", "nat"):
            for where, rule in _rules(saved):
                if where == table and any(word in chains for word in shlex.split(rule)[3:]):
                    _delete(family, table, rule)
            here = saved.partition(f"*{table}")[2].partition("COMMIT")[0]
            for chain in re.findall(r"^:(DOCKER\S*)", here, re.MULTILINE):
                run(family, "--wait", "--table", table, "--flush", chain)
            for chain in re.findall(r"^:(DOCKER\S*)", here, re.MULTILINE):
                run(family, "--wait", "--table", table, "--delete-chain", chain)
        if saved:
            run(family, "--wait", "--policy", "FORWARD", before["policies"].get(family, "ACCEPT"))
    if IP_FORWARD.read_text() != before["ip_forward"]:
        IP_FORWARD.write_text(before["ip_forward"])
