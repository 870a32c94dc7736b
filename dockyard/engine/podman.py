"""Podman's Docker-compatible socket, to see how far the lessons go without Docker.

Storage, networks and settings are the course's own, so that a Podman of the learner's notices
nothing. It runs as root, as the embedded engine does.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import psutil

from dockyard.core import paths, wait
from dockyard.core.console import Say
from dockyard.core.process import Service, end
from dockyard.engine import netfilter, system_packages
from dockyard.engine.base import Endpoint, Engine, Need, answers, disk_space
from dockyard.engine.embedded import ROOM_NEEDED
from dockyard.exceptions import EngineStartFailed, EngineStartTimeout, EngineUnavailable

PROGRAMS = {
    "podman": "podman",
    "conmon": "conmon",
    "runc": "runc",
    "catatonit": "catatonit",
    "iptables": "iptables",
    "ip": "iproute2",
}
"""The programs that must be there, each with the Debian package that brings it."""

NETWORK_PROGRAMS = {
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}

SETTINGS = """\
[containers]
# As Docker has it: what a container may do is compared, not Podman's stricter choice.
default_capabilities = [{capabilities}]
# Podman's own defaults are above what root may set inside of some containers.
default_ulimits = [{limits}]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
compat_api_enforce_docker_hub = true
[network]
network_backend = "netavark"
network_config_dir = "{networks}"
default_subnet_pools = [{{ base = "{pool}", size = 24 }}]
"""

REGISTRIES = """\
unqualified-search-registries = ["docker.io"]
{mirror}
# Docker speaks plain HTTP with every registry on loopback; Podman wants to be told.
[[registry]]
location = "localhost"
insecure = true
[[registry]]
location = "127.0.0.1"
insecure = true
"""

MIRROR = """\
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "{address}"
insecure = true
"""

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
)  # fmt: skip
"""What a container of Docker may do (moby, oci/caps/defaults.go)."""


class PodmanEngine(Engine):
    """``podman system service``, started as root on this host."""

    name: ClassVar[str] = "podman"
    title: ClassVar[str] = "Podman's Docker-compatible socket, started by the course as root"

    def __init__(self) -> None:
        self.data = paths.home() / self.name
        self.exec = paths.run_dir() / self.name
        self.socket = paths.run_dir() / "podman.sock"
        self.service = Service(self.name)

    @property
    def bridge(self) -> str:
        """The name of the default network's bridge, unique to this home."""
        return "dp" + hashlib.sha256(str(paths.home()).encode()).hexdigest()[:8]

    @property
    def bridge_gateway(self) -> str | None:
        """An address of this host for its containers, on no bridge: Podman removes idle ones."""
        try:
            return self._host_address.read_text()
        except OSError:
            return None

    @property
    def _host_address(self) -> Path:
        return self.data / "host-address"

    @property
    def _default_network(self) -> Path:
        return self.data / "networks" / "podman.json"

    def needs(self) -> list[Need]:
        """Linux, root, the programs and disk space."""
        return list(self._needs())

    def _needs(self) -> Iterator[Need]:
        system = platform.system()
        yield Need("Linux", system == "Linux", system)
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        yield Need("root", root, "yes" if root else f"user id {os.getuid()}")
        yield system_packages.need(_missing())
        yield disk_space(ROOM_NEEDED, "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn")

    def endpoint(self) -> Endpoint | None:
        """The service's own socket, when it answers."""
        return Endpoint(f"unix://{self.socket}") if answers(self.socket) else None

    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Endpoint:
        """Start Podman's API service, or find it running."""
        if running := self.endpoint():
            return running
        for need in self.unmet():
            raise EngineUnavailable(
                f"Podman cannot run here: {need.name} is needed.",
                f"Found: {need.found}.",
                f"Next:  {need.next or 'python3 -m dockyard doctor'}",
            )
        system_packages.install(_missing(), say, agreed=install)
        self.stop(say)
        self._write_settings(mirror)
        netfilter.run("ip", "address", "replace", f"{self.bridge_gateway}/32", "dev", "lo")
        self.service.start(
            [*self._podman(), "system", "service", "--time=0", f"unix://{self.socket}"],
            env=self._environment(),
            # Its monitor of a container leaves a file `oom` where it runs, when that has no memory.
            cwd=self.data,
        )
        wait.until(
            "Podman to answer",
            lambda: (
                answers(self.socket)
                or self.service.raise_if_ended(
                    EngineStartFailed, "Podman", f"Read {self.service.log}.", lines=8
                )
            ),
            timeout=60,
            log=self.service.log,
            error=EngineStartTimeout,
            next="Try once more:  python3 -m dockyard engine start --engine podman",
        )
        self.socket.chmod(0o600)
        return Endpoint(f"unix://{self.socket}")

    def _podman(self) -> list[str]:
        return [
            system_packages.which("podman"),
            f"--root={self.data / 'storage'}",
            f"--runroot={self.exec / 'run'}",
            f"--tmpdir={self.exec / 'tmp'}",
        ]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": system_packages.SEARCH,
            "CONTAINERS_CONF": str(self._settings),
            "CONTAINERS_REGISTRIES_CONF": str(self.data / "registries.conf"),
        }

    @property
    def _settings(self) -> Path:
        return self.data / "containers.conf"

    def _write_settings(self, mirror: str | None) -> None:
        networks = self.data / "networks"
        networks.mkdir(parents=True, exist_ok=True)
        pool = netfilter.free_pool(str(self.data))
        default, *_, last = pool.subnets(new_prefix=24)
        self._host_address.write_text(str(last.network_address + 1))
        own = pool.network_address + 1
        self._settings.write_text(
            SETTINGS.format(
                networks=networks,
                pool=next(pool.subnets(new_prefix=17)),
                capabilities=", ".join(f'"CAP_{name}"' for name in CAPABILITIES),
                limits=", ".join(_limits()),
            )
        )
        self._default_network.write_text(
            json.dumps(
                {
                    "name": "podman",
                    "id": hashlib.sha256(b"podman").hexdigest(),
                    "driver": "bridge",
                    "network_interface": self.bridge,
                    "created": "2024-01-01T00:00:00Z",
                    "subnets": [{"subnet": str(default), "gateway": str(own)}],
                    "ipv6_enabled": False,
                    "internal": False,
                    "dns_enabled": False,
                    "ipam_options": {"driver": "host-local"},
                }
            )
        )
        address = urlsplit(mirror).netloc if mirror else ""
        (self.data / "registries.conf").write_text(
            REGISTRIES.format(mirror=MIRROR.format(address=address) if address else "")
        )

    def stop(self, say: Say) -> None:
        """Stop containers and service; take back mounts, bridges and rules."""
        if self._settings.exists() and system_packages.which("podman"):
            self._run("stop", "--all", "--time=1")
            self._run("network", "prune", "--force")
        self.service.stop(timeout=10)
        left = list(self._leftover_processes())
        end(left, timeout=0)
        netfilter.unmount_below(self.data, self.exec)
        if self._settings.exists():
            netfilter.remove_podman_chains()
            netfilter.run("ip", "link", "delete", self.bridge)
            netfilter.run("ip", "address", "delete", f"{self.bridge_gateway}/32", "dev", "lo")
        shutil.rmtree(self.exec, ignore_errors=True)
        self.socket.unlink(missing_ok=True)

    def _run(self, *words: str) -> None:
        subprocess.run(
            [*self._podman(), *words],
            env={**os.environ, **self._environment()},
            capture_output=True,
            timeout=60,
            check=False,
        )

    def _leftover_processes(self) -> Iterator[psutil.Process]:
        marks = (str(self.data), str(self.exec))
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                name = Path(words[0]).name if words else ""
                ours = any(mark in word for word in words for mark in marks)
                if ours and name in ("conmon", "podman", "aardvark-dns"):
                    yield from process.children(recursive=True)
                    yield process
            except psutil.Error:
                continue


def _limits() -> Iterator[str]:
    # Podman lowers its own limit of processes to the kernel's number of process ids.
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    for name, number, cap in (
        ("nofile", resource.RLIMIT_NOFILE, 1 << 20),
        ("nproc", resource.RLIMIT_NPROC, most),
    ):
        hard = resource.getrlimit(number)[1]
        hard = cap if hard == resource.RLIM_INFINITY else min(hard, cap)
        yield f'"{name}={hard}:{hard}"'


def _missing() -> list[str]:
    absent = {package for path, package in NETWORK_PROGRAMS.items() if not Path(path).exists()}
    return sorted({*system_packages.missing(PROGRAMS), *absent})
