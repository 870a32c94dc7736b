"""A private dockerd that the course starts as root, beside whatever else runs on the host.

Its data root, sockets, containerd, bridge and address range are its own. Stopping it takes
back every process, mount, bridge and packet filter rule.
"""

from __future__ import annotations

import ipaddress
import json
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import psutil

from dockyard.core import paths, wait
from dockyard.core.console import Say
from dockyard.core.process import Service, end
from dockyard.engine import netfilter, oci_runtime, system_packages
from dockyard.engine.base import Endpoint, Engine, Need, answers, disk_space, free_space
from dockyard.exceptions import (
    DiskFull,
    EngineStartFailed,
    EngineStartTimeout,
    EngineUnavailable,
)

PROGRAMS = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "docker": "docker-cli",
    "iptables": "iptables",
    "ip": "iproute2",
    "curl": "curl",
}
"""The programs that must be there, each with the Debian package that brings it."""

ROOM_NEEDED = 3 * 1024**3
"""Free bytes below which the daemon is not started: images and layers of all lessons."""

OWNER = "DOCKYARD_HOME"
"""The variable by which a program that dockerd starts is known as this engine's."""

CONTAINERD_CONFIG = """\
version = 2
root = "{data}/containerd"
state = "{exec}/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{socket}"
"""


AGAIN = "Try once more:  python3 -m dockyard engine stop, then engine start"


class EmbeddedEngine(Engine):
    """dockerd started as root on this host."""

    name: ClassVar[str] = "embedded"
    title: ClassVar[str] = "a private Docker daemon, started by the course as root"

    def __init__(self) -> None:
        self.data = paths.home() / "engine"
        self.exec = paths.run_dir() / "exec"
        self.socket = paths.run_dir() / "engine.sock"
        self.containerd = Service("containerd")
        self.dockerd = Service("dockerd")

    @property
    def _settings(self) -> Path:
        return paths.home() / "embedded.json"

    @property
    def pool(self) -> ipaddress.IPv4Network:
        """The /16 for all networks of this engine; chosen once for a home, free at that time."""
        try:
            return ipaddress.IPv4Network(json.loads(self._settings.read_text())["pool"])
        except (OSError, ValueError, KeyError):
            return self._choose_pool()

    def _choose_pool(self) -> ipaddress.IPv4Network:
        pool = netfilter.free_pool(str(paths.home()))
        self._settings.parent.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(json.dumps({"pool": str(pool)}))
        return pool

    @property
    def bridge(self) -> str:
        """The name of the default bridge, unlike docker0 unique to this home."""
        return f"dy{paths.token()}"

    def bridges(self) -> dict[str, ipaddress.IPv4Network]:
        """The bridges that this engine made or will make, and no others, by name."""
        default = next(self.pool.subnets(new_prefix=24))
        database = self.data / "docker" / "network" / "files" / "local-kv.db"
        return netfilter.recorded_bridges(database) | {self.bridge: default}

    @property
    def bridge_gateway(self) -> str | None:
        """The host's address on the default bridge."""
        return str(self.pool.network_address + 1)

    def needs(self) -> list[Need]:
        """Linux, root, the programs and disk space."""
        return list(self._needs())

    def _needs(self) -> Iterator[Need]:
        system = platform.system()
        yield Need("Linux", system == "Linux", system)
        root = os.geteuid() == 0
        yield Need(
            "root",
            root,
            "yes" if root else f"user id {os.geteuid()}",
            "" if root else "sudo python3 -m dockyard learn --engine embedded",
        )
        yield system_packages.need(system_packages.missing(PROGRAMS))
        yield disk_space(ROOM_NEEDED, "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn")

    def endpoint(self) -> Endpoint | None:
        """The daemon's own socket, when it answers."""
        return Endpoint(f"unix://{self.socket}") if answers(self.socket) else None

    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Endpoint:
        """Start containerd and dockerd, or find them running."""
        if running := self.endpoint():
            return running
        self._check()
        system_packages.install(system_packages.missing(PROGRAMS), say, agreed=install)
        self.stop(say)  # what a killed daemon left
        self._check_room()
        netfilter.remember_before()
        if netfilter.is_taken(self.pool, apart_from=self.bridges()):
            self._choose_pool()  # free when it was chosen, but another engine came
        netfilter.make_bridge(self.bridge, f"{self.bridge_gateway}/24")
        self._start_containerd()
        with netfilter.others_kept(self.bridges()):
            self._start_dockerd(mirror)
        self.socket.chmod(0o600)
        return Endpoint(f"unix://{self.socket}")

    def _start_dockerd(self, mirror: str | None) -> None:
        self.dockerd.start(
            [
                self._program("dockerd"),
                f"--data-root={self.data / 'docker'}",
                f"--exec-root={self.exec / 'docker'}",
                f"--pidfile={paths.run_dir() / 'dockerd-own.pid'}",
                f"--host=unix://{self.socket}",
                f"--containerd={self._containerd_socket}",
                f"--bridge={self.bridge}",
                f"--default-address-pool=base={self.pool},size=24",
                *([f"--registry-mirror={mirror}"] if mirror else []),
                *oci_runtime.options(self.data),
            ],
            # Administration programs must be found although a learner's PATH may lack them.
            env={"PATH": self._search(), OWNER: str(paths.home())},
        )
        self._wait_for_daemon()

    def _wait_for_daemon(self) -> None:
        wait.until(
            "the Docker daemon to answer",
            lambda: answers(self.socket) or self._raise_if_ended(self.dockerd),
            timeout=60,
            log=self.dockerd.log,
            error=EngineStartTimeout,
            next=AGAIN,
        )

    def _search(self) -> str:
        """Where this engine's programs are found, each by the other."""
        return system_packages.SEARCH

    def _program(self, name: str) -> str | None:
        return shutil.which(name, path=self._search())

    def _check(self) -> None:
        for need in self.unmet():
            if need.name == "disk space":
                continue
            raise EngineUnavailable(
                f"The embedded engine cannot run here: {need.name} is needed.",
                f"Found: {need.found}.",
                f"Next:  {need.next or 'python3 -m dockyard doctor'}",
            )

    def _check_room(self) -> None:
        free = free_space(paths.home())
        if free < ROOM_NEEDED:
            raise DiskFull(
                f"Only {free / 1e9:.1f} GB are free in {paths.home()}.",
                f"The engine and its images need {ROOM_NEEDED / 1e9:.1f} GB.",
                "Free some space, or choose another disk:  "
                "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn",
            )

    @property
    def _containerd_socket(self) -> Path:
        return paths.run_dir() / "containerd.sock"

    def _start_containerd(self) -> None:
        # A containerd of our own: dockerd would otherwise join the host's, if it has one.
        for folder in (self.data / "containerd", self.data / "docker", self.exec):
            folder.mkdir(parents=True, exist_ok=True)
        config = self.data / "containerd.toml"
        config.write_text(
            CONTAINERD_CONFIG.format(data=self.data, exec=self.exec, socket=self._containerd_socket)
        )
        self.containerd.start(
            [self._program("containerd"), "--config", config], env={"PATH": self._search()}
        )
        wait.until(
            "containerd",
            lambda: self._containerd_socket.exists() or self._raise_if_ended(self.containerd),
            timeout=30,
            log=self.containerd.log,
            error=EngineStartTimeout,
            next=AGAIN,
        )

    def _raise_if_ended(self, service: Service) -> None:
        service.raise_if_ended(
            EngineStartFailed,
            service.name,
            f"Read {service.log}, then:  python3 -m dockyard doctor",
            lines=8,
        )

    def stop(self, say: Say) -> None:
        """Stop containers, dockerd and containerd, and take back mounts, bridges and rules."""
        self.dockerd.stop(timeout=30)
        self.containerd.stop(timeout=10)
        self._clear_leftovers()

    def _clear_leftovers(self) -> None:
        """What a killed daemon left: shims with their containers, mounts, bridges, sockets."""
        left = list(self._leftover_processes())
        family = {child for process in left for child in _children(process)} | set(left)
        end(sorted(family, key=lambda process: process.pid), timeout=0)
        netfilter.unmount_below(self.data, self.exec)
        self._clear_network()
        shutil.rmtree(self.exec, ignore_errors=True)
        for file in (self.socket, self._containerd_socket, paths.run_dir() / "dockerd-own.pid"):
            file.unlink(missing_ok=True)

    def _clear_network(self) -> None:
        # Nobody but root can have made bridges and rules, or take them back.
        if self._settings.exists() and os.geteuid() == 0:
            netfilter.sweep(self.bridges())

    def _leftover_processes(self) -> Iterator[psutil.Process]:
        ours = (str(self.exec), str(self._containerd_socket), str(self.data))
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            name = Path(words[0]).name if words else ""
            shim_or_daemon = name.startswith(("containerd", "dockerd")) and any(
                mark in word for word in words for mark in ours
            )
            if shim_or_daemon or (name == "docker-proxy" and self._is_ours(process)):
                yield process

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(OWNER) == str(paths.home())
        except psutil.Error:
            return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
