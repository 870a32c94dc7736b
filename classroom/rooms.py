"""What a student's room is made of on the outside: a bridge, its rules, and cgroups.

A room is a set of namespaces (network, mounts, processes, IPC) whose first process is the script
``room`` beside this file. They need no name and no cleaning: the kernel removes them, and the
network interface that leads into them, with the room's last process. Run as root.

Standard library only.
"""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dockyard.core import ext4_file, firewalld

CGROUPS = Path("/sys/fs/cgroup")
PARENT = "dockyard-rooms"
"""The cgroup that holds those of all rooms."""

WEIGHTS = {"cpu.weight": "800", "cpu.shares": "8192"}
"""All rooms together, in cgroup v2 and v1: as much CPU time as eight other groups or, in v1,
processes of the server. By default they would have as much as one."""

CLOUD_METADATA = "169.254.0.0/16"
"""Where clouds give a server's credentials to every process that asks."""


@dataclass(frozen=True)
class Network:
    """A bridge with a port for each room. Rooms reach the hub and the Internet, not each other.

    addresses is an IPv4 network that nothing else uses. The bridge has the first address, where
    the hub listens on hub_port and the teacher's service on teacher_port; room N has the one N
    after that.
    """

    bridge: str
    addresses: ipaddress.IPv4Network
    hub_port: int
    teacher_port: int

    @property
    def gateway(self) -> str:
        """The bridge's address: the hub's, seen from a room."""
        return str(self.addresses.network_address + 1)

    def address(self, number: int) -> str:
        """The address of a room; number is at least 1. Raises ValueError when there are no more."""
        found = self.addresses.network_address + 1 + number
        if found not in self.addresses or found == self.addresses.broadcast_address:
            raise ValueError(f"{self.addresses} has no address for room {number}")
        return str(found)

    def set_up(self) -> None:
        """Make the bridge and its rules; harmless when they exist, also while rooms use them.

        Raises CalledProcessError.
        """
        if self.bridge not in _interfaces():
            _run("ip", "link", "add", self.bridge, "type", "bridge")
        _disable_ipv6(self.bridge)
        _run("ip", "address", "replace", f"{self.gateway}/{self.addresses.prefixlen}",
             "dev", self.bridge)  # fmt: skip
        _run("ip", "link", "set", self.bridge, "up")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        self._write_rules()
        # What rooms may not reach is refused by these rules.
        firewalld.trust(self.addresses)

    def remove(self) -> None:
        """Remove bridge and rules; rooms that still run lose their network."""
        firewalld.distrust(self.addresses)
        for table, top, chain, match in self._chains():
            _try("iptables", "--wait", "-t", table, "-D", top, *match, "-j", chain)
            _try("iptables", "--wait", "-t", table, "-F", chain)
            _try("iptables", "--wait", "-t", table, "-X", chain)
        _try("ip", "link", "del", self.bridge)

    def free_number(self) -> int:
        """The lowest number that no room has."""
        taken = _interfaces()
        return next(n for n in range(1, self.addresses.num_addresses) if self._port(n) not in taken)

    def connect(self, number: int, process: int) -> None:
        """Give the network namespace of a process an interface eth0 that leads to the bridge.

        The room sets the address itself. Raises CalledProcessError.
        """
        port = self._port(number)
        _run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0",
             "netns", str(process))  # fmt: skip
        _disable_ipv6(port)
        _run("ip", "link", "set", port, "master", self.bridge)
        # An isolated port sends nothing to other isolated ports, whatever addresses it uses.
        _run("ip", "link", "set", port, "type", "bridge_slave", "isolated", "on")
        _run("ip", "link", "set", port, "up")

    def _port(self, number: int) -> str:
        return f"{self.bridge}-{number}"

    def _chains(self) -> list[tuple[str, str, str, list[str]]]:
        """Table, built-in chain, own chain, and which packets go from the one to the other."""
        name = self.bridge.upper()
        source = ["-s", str(self.addresses), "!", "-o", self.bridge]
        return [
            ("filter", "INPUT", f"{name}-IN", ["-i", self.bridge]),
            ("filter", "FORWARD", f"{name}-FROM", ["-i", self.bridge]),
            ("filter", "FORWARD", f"{name}-TO", ["-o", self.bridge]),
            ("nat", "POSTROUTING", f"{name}-OUT", source),
        ]

    def _rules(self, chain: str) -> list[list[str]]:
        answers = ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"]
        hub, teacher = (
            ["-p", "tcp", "-d", self.gateway, "--dport", str(port), "-j", "ACCEPT"]
            for port in (self.hub_port, self.teacher_port)
        )
        drop = ["-j", "DROP"]
        return {
            # Nothing else of the server: not its SSH, not the proxy's interface.
            "IN": [answers, hub, teacher, drop],
            "FROM": [
                ["-o", self.bridge, *drop],
                ["-d", CLOUD_METADATA, *drop],
                ["-j", "ACCEPT"],
            ],
            "TO": [answers, drop],
            "OUT": [["-j", "MASQUERADE"]],
        }[chain.rpartition("-")[2]]

    def _write_rules(self) -> None:
        for table, top, chain, match in self._chains():
            iptables = ["iptables", "--wait", "-t", table]
            _try(*iptables, "-N", chain)
            _run(*iptables, "-F", chain)
            for rule in self._rules(chain):
                _run(*iptables, "-A", chain, *rule)
            # Again at the top: other programs, such as a Docker on the server, add theirs there.
            _try(*iptables, "-D", top, *match, "-j", chain)
            _run(*iptables, "-I", top, *match, "-j", chain)


@dataclass(frozen=True)
class Limits:
    """What one room may use; 0 is no limit. Under load, all rooms get the same share of CPU time.

    memory is in bytes, cpus in CPUs, processes counts threads, too.
    """

    memory: int
    cpus: float
    processes: int

    def apply(self, room: str, processes: Sequence[int]) -> None:
        """Move the processes into a cgroup of the room's own. Raises OSError where that fails."""
        for folder in _cgroups(room):
            if not _is_unified():
                folder.mkdir(parents=True, exist_ok=True)
            else:
                folder.parent.mkdir(exist_ok=True)
                for above in (CGROUPS, folder.parent):
                    (above / "cgroup.subtree_control").write_text("+cpu +memory +pids")
                folder.mkdir(exist_ok=True)
            for place, values in ((folder.parent, WEIGHTS), (folder, self._values())):
                for name, value in values.items():
                    if (place / name).exists():
                        (place / name).write_text(value)
            for process in processes:
                (folder / "cgroup.procs").write_text(str(process))

    def _values(self) -> dict[str, str]:
        """The files of cgroup v2 and v1; a cgroup has those of its version and controller."""
        period = 100_000  # microseconds
        quota = round(self.cpus * period)
        return {
            "memory.max": str(self.memory or "max"),
            "memory.limit_in_bytes": str(self.memory or -1),
            "cpu.max": f"{quota or 'max'} {period}",
            "cpu.cfs_quota_us": str(quota or -1),
            "pids.max": str(self.processes or "max"),
        }


def make_disk(file: Path, size: int, home: Path) -> None:
    """Make a disk of size bytes with what the home holds, unless there is one; root alone sees it.

    The file is sparse: it takes as much room as the student uses. Raises OSError, or
    CalledProcessError when it cannot be made.
    """
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    ext4_file.make(file, size, lambda words: _run(*map(str, words)), home)


def remove_cgroups(room: str) -> None:
    """Remove the cgroups of a room whose processes have ended."""
    for folder in _cgroups(room):
        for below in (*sorted(folder.rglob("*/"), reverse=True), folder):
            for _ in range(50):
                with suppress(FileNotFoundError):
                    try:
                        below.rmdir()
                    except OSError:  # the kernel is not done with the last process
                        time.sleep(0.1)
                        continue
                break


def _is_unified() -> bool:
    return (CGROUPS / "cgroup.controllers").exists()


def _cgroups(room: str) -> list[Path]:
    if _is_unified():
        return [CGROUPS / PARENT / room]
    tops = [CGROUPS / name for name in ("memory", "cpu", "pids")]
    return [top / PARENT / room for top in tops if top.is_dir()]


def _interfaces() -> set[str]:
    return {link["ifname"] for link in json.loads(_run("ip", "-json", "link", "show"))}


def _disable_ipv6(interface: str) -> None:
    # Its automatic addresses would lead past the rules, which are for IPv4.
    setting = Path("/proc/sys/net/ipv6/conf", interface, "disable_ipv6")
    if setting.exists():
        setting.write_text("1")


def _run(*words: str) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.run(
        words, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        env=environment,
    ).stdout  # fmt: skip


def _try(*words: str) -> None:
    subprocess.run(words, check=False, capture_output=True, stdin=subprocess.DEVNULL)
