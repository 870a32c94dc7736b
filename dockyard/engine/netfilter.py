"""The host's network around a private dockerd: its bridges, address ranges and iptables rules.

All daemons of a host use chains of the same names (DOCKER, DOCKER-USER, …), and each dockerd
flushes them when it starts: the published ports of the others would be lost. So the private dockerd
finds a program called iptables that replaces the names of these and of the built-in chains by names
of its home. Each built-in chain has one rule that jumps to its replacement. Everything that the
daemon adds is then in chains of its own, and nothing else has to be touched or restored.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from dockyard.core import firewalld
from dockyard.core.process import Lock
from dockyard.engine import engine_root
from dockyard.engine.system_packages import which

FIRST_POOL, POOLS = 128, 120
FAMILIES = ("iptables", "ip6tables")

JUMPS = {
    "filter": {"FORWARD": "-I", "INPUT": "-I"},
    "nat": {"PREROUTING": "-A", "OUTPUT": "-A", "POSTROUTING": "-I"},
    "mangle": {"OUTPUT": "-A", "POSTROUTING": "-A"},
    "raw": {"PREROUTING": "-I"},
}
"""The built-in chains that dockerd uses in each table, and how it adds rules: first or last."""

WRAPPER = """\
#!/bin/sh
# Runs {family} with names of chains that no other daemon uses, except in a container's network.
if [ /proc/self/ns/net -ef /proc/1/ns/net ]; then
    for word; do
        shift
        case $word in
            DOCKER) word={prefix} ;;
            DOCKER-*) word={prefix}-${{word#DOCKER-}} ;;
            FORWARD|INPUT|OUTPUT|PREROUTING|POSTROUTING) word={prefix}_$word ;;
        esac
        set -- "$@" "$word"
    done
fi
XTABLES_LIBDIR={plugins} exec {program} {family} "$@"
"""
"""A chain's name has at most 28 characters: DOCKER-ISOLATION-STAGE-1 leaves ten for the prefix."""

FORWARDING = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/default/forwarding",
)
"""The settings below /proc/sys that dockerd changes for all of the host."""


SO_NETNS_COOKIE = 71
"""socket(7): a number of this network namespace that no other has until the host is restarted."""


def _initial_settings() -> Path:
    # Not in a home: all engines of one network namespace share the settings.
    try:
        with socket.socket() as any_socket:
            cookie = any_socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        namespace = f"{int.from_bytes(cookie, sys.byteorder)}"
    except OSError:  # before Linux 5.14; a later namespace can have the same inode
        namespace = f"inode-{Path('/proc/self/ns/net').stat().st_ino}"
    return Path(f"/run/dockyard-forwarding-{namespace}.json")


def _lock() -> Lock:
    return Lock("dockyard-netfilter", folder=Path("/run"))


@functools.cache
def kind() -> str:
    """``nft`` or ``legacy``: which of the two kinds of iptables this host uses.

    A packet has to pass the rules of both kinds, so accepting it in one of them is not enough.
    """
    if program := which("iptables"):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return "legacy" if "legacy" in done.stdout else "nft"
    try:
        return "legacy" if Path("/proc/net/ip_tables_names").read_text() else "nft"
    except OSError:
        return "nft"


def run(*words: str, input: str = "") -> str:
    """The output of ``ip``, ``iptables`` or the like of the engine root; empty if it fails."""
    root = engine_root.folder()
    if not root.exists():
        return ""
    command = [*engine_root.outside(f"bin/{words[0]}"), *words[1:]]
    if words[0].startswith(FAMILIES):
        command = [*_multi(), *words]
    done = subprocess.run(
        command,
        capture_output=True,
        input=input,
        text=True,
        check=False,
        env={**os.environ, "XTABLES_LIBDIR": _plugins(root)},
    )
    return done.stdout if done.returncode == 0 else ""


def _multi() -> list[str]:
    """The beginning of a command; the name of an iptables program comes next."""
    return engine_root.outside(f"sbin/xtables-{kind()}-multi")


def _plugins(root: Path) -> str:
    return str(next((root / "usr/lib").glob("*-linux-gnu*/xtables")))


def write_wrappers(folder: Path, prefix: str) -> None:
    """Write the programs iptables and ip6tables for a dockerd whose chains begin with prefix."""
    root = engine_root.folder()
    folder.mkdir(parents=True, exist_ok=True)
    program = shlex.join(_multi())
    for family in FAMILIES:
        wrapper = folder / family
        wrapper.write_text(
            WRAPPER.format(
                family=family, prefix=prefix, program=program, plugins=shlex.quote(_plugins(root))
            )
        )
        wrapper.chmod(0o755)


def prepare(prefix: str, pool: ipaddress.IPv4Network, mirror_port: int) -> None:
    """Make the chains that replace the built-in ones, and let this host forward packets.

    dockerd would drop what others forward if it had to switch that on itself. Containers of
    pool may reach the course registry at mirror_port, whatever a firewall keeps from this host.
    """
    with _lock():
        if not _initial_settings().exists():
            settings = {name: _setting(name).read_text() for name in _settings()}
            _initial_settings().write_text(json.dumps(settings))
        _setting(FORWARDING[0]).write_text("1\n")
        lines = {
            table: [
                *(f":{prefix}_{chain} -" for chain in chains),
                *(f"{where} {chain} -j {prefix}_{chain}" for chain, where in chains.items()),
            ]
            for table, chains in JUMPS.items()
        }
        _change("ip6tables", lines)
        let_in = f"-A {prefix}_INPUT -s {pool} -p tcp --dport {mirror_port} -j ACCEPT"
        lines["filter"].append(let_in)
        _change("iptables", lines)
    firewalld.trust(pool)


def _settings() -> list[str]:
    return [name for name in FORWARDING if _setting(name).exists()]


def _setting(name: str) -> Path:
    return Path("/proc/sys", name)


def clear(prefix: str, bridges: Iterable[str], pool: ipaddress.IPv4Network) -> None:
    """Remove the chains that begin with prefix, these bridges, and what firewalld knows of pool.

    The last engine restores the settings in FORWARDING, unless another program has a bridge.
    """
    firewalld.distrust(pool)
    with _lock():
        for family in FAMILIES:
            remove_chains(family, rf"{prefix}\S*")
        for bridge in bridges:
            run("ip", "link", "delete", bridge)
        if _initial_settings().exists() and not _bridges():
            for name, value in json.loads(_initial_settings().read_text()).items():
                if _setting(name).read_text() != value:
                    _setting(name).write_text(value)
            _initial_settings().unlink()


def bridges_of(prefix: str) -> set[str]:
    """The names of this host's bridges that rules in the chains with prefix are about."""
    named: set[str] = set()
    for family in FAMILIES:
        for rule in re.findall(rf"^-A {prefix}\S* .*$", run(f"{family}-save"), re.MULTILINE):
            named.update(re.findall(r" -[io] (\S+)", rule))
    return named & _bridges()


def recorded(database: Path) -> dict[str, ipaddress.IPv4Interface]:
    """The bridges with addresses that a dockerd will make again, from its file of networks.

    The file is a B+ tree (bbolt) of JSON documents, each in one piece; it may still have those of
    networks that are gone.
    """
    found = {}
    with suppress(OSError):
        for document in re.findall(rb'\{"AddressIPv4":[^{}]*\}', database.read_bytes()):
            with suppress(ValueError, LookupError, TypeError):
                network = json.loads(document)
                name, address = network["BridgeName"], network["AddressIPv4"]
                found[name] = ipaddress.IPv4Interface(address)
    return found


def remove_rules_about(bridges: Iterable[str]) -> None:
    """Remove the rules about bridges from the chains that all daemons of this host use.

    An engine of the first edition has left them there.
    """
    wanted = re.compile(rf"-A .* -[io] ({'|'.join(map(re.escape, bridges))})( .*)?$")
    with _lock():
        for family in FAMILIES:
            lines: dict[str, list[str]] = {}
            for table, line in _saved(family):
                if wanted.match(line):
                    lines.setdefault(table, []).append(f"-D{line.removeprefix('-A')}")
            _change(family, lines)


def _bridges() -> set[str]:
    links = json.loads(run("ip", "-json", "link", "show", "type", "bridge") or "[]")
    return {link["ifname"] for link in links if "ifname" in link}


def make_bridge(name: str, address: str) -> None:
    """Create a bridge with an address such as ``10.128.0.1/24``, or assign that to an existing one.

    The MAC address is fixed. By default a bridge has the lowest MAC address of its ports, which
    changes as containers start and stop; the other containers' ARP entries for this host are then
    wrong, for minutes in the worst case.
    """
    hardware = ipaddress.IPv4Interface(address).packed.hex(":")
    commands = (
        f"link add {name} type bridge",
        f"link set {name} address 02:42:{hardware}",
        f"address replace {address} dev {name}",
        f"link set {name} up",
    )
    run("ip", "-force", "-batch", "-", input="\n".join(commands))


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


def is_used(pool: ipaddress.IPv4Network) -> bool:
    """Whether a route of this host overlaps pool."""
    return _overlaps(pool, _routes())


def _overlaps(pool: ipaddress.IPv4Network, networks: list[ipaddress.IPv4Network]) -> bool:
    return any(network.prefixlen and network.overlaps(pool) for network in networks)


def _routes() -> list[ipaddress.IPv4Network]:
    found = []
    for route in json.loads(run("ip", "-4", "-json", "route", "show", "table", "all") or "[]"):
        try:
            found.append(ipaddress.IPv4Network(route.get("dst", ""), strict=False))
        except ValueError:
            continue  # "default", "broadcast …" and the like are not networks
    return found


def remove_chains(family: str, pattern: str) -> None:
    """Remove the chains whose names match pattern, and the rules that jump to them."""
    lines: dict[str, list[str]] = {}
    for table, line in _saved(family):
        if found := re.match(rf":({pattern}) ", line):
            flush, delete = f"-F {found[1]}", f"-X {found[1]}"
            lines.setdefault(table, []).extend([flush, delete])
        elif re.search(rf"-[jg] {pattern}$", line) and not re.match(rf"-A {pattern} ", line):
            lines.setdefault(table, []).append(f"-D{line.removeprefix('-A')}")
    # A chain can be deleted when no rule jumps to it.
    order = ("-D", "-F", "-X")
    _change(
        family,
        {table: sorted(of, key=lambda line: order.index(line[:2])) for table, of in lines.items()},
    )


def _saved(family: str) -> Iterator[tuple[str, str]]:
    """The lines of iptables-save(8), each with its table."""
    table = ""
    for line in run(f"{family}-save").splitlines():
        if line.startswith("*"):
            table = line[1:]
        else:
            yield table, line


def _change(family: str, lines: dict[str, list[str]]) -> None:
    """Change the chains named in lines of iptables-restore(8), by table, and no others."""
    text = ""
    for table, of in lines.items():
        text += "\n".join([f"*{table}", *of, "COMMIT\n"])
    run(f"{family}-restore", "--noflush", "--wait", input=text)
