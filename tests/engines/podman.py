"""Podman's Docker-compatible socket, to test how much of the lessons works without Docker.

It runs as root, as the embedded engine does, with its own storage, networks and settings, so that
it does not affect the learner's Podman.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import psutil

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.process import Service
from dockyard.engine import engine_root, netfilter, system_packages
from dockyard.engine.base import Need
from dockyard.engine.private_daemon import DaemonEngine, kill_with_children, processes_naming
from tests.support import host_leftovers, packages

PROGRAMS = {
    "podman": "podman",
    "conmon": "conmon",
    "runc": "runc",
    "catatonit": "catatonit",
    "iptables": "iptables",
    "ip": "iproute2",
}
"""The programs that are needed, each with its Debian package."""

NETWORK_PROGRAMS = {
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}

SETTINGS = """\
[containers]
# Docker's defaults: Podman's stricter ones would change what the lessons show.
default_capabilities = [{capabilities}]
# Podman's defaults exceed what root may set inside some containers.
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
# Docker uses plain HTTP for every registry on loopback; Podman must be told to.
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
"""Docker's default capabilities of a container (moby, oci/caps/defaults.go)."""


class PodmanEngine(DaemonEngine):
    """``podman system service``, started as root on this host."""

    name: ClassVar[str] = "podman"
    title: ClassVar[str] = "Podman's Docker-compatible socket, started by the course as root"

    def __init__(self) -> None:
        self.data = paths.home() / self.name
        self.exec = paths.run_dir() / self.name
        self.socket = paths.run_dir() / "podman.sock"
        self.daemon = Service(self.name)

    @property
    def bridge(self) -> str:
        """The name of the default network's bridge, unique to this home."""
        return f"dp{paths.token()}"

    @property
    def bridge_gateway(self) -> str | None:
        """The host's address for containers: on loopback, as Podman removes unused bridges."""
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

    def _needs(self) -> Iterator[Need]:
        root = os.geteuid() == 0
        yield Need("root", root, "yes" if root else f"user id {os.geteuid()}")
        yield Need("apt-get", system_packages.which("apt-get") is not None, "installs Podman")

    def _prepare(self, say: Say) -> None:
        packages.install(_missing())
        engine_root.fetch(say)  # for netfilter

    def _start(self, mirror: str | None) -> None:
        self._write_settings(mirror)
        netfilter.run("ip", "address", "replace", f"{self.bridge_gateway}/32", "dev", "lo")
        self.daemon.start(
            [*self._podman(), "system", "service", "--time=0", f"unix://{self.socket}"],
            env=self._environment(),
            # conmon writes a file `oom` to its working folder if a container runs out of memory.
            cwd=self.data,
        )
        self._wait_for_daemon()

    def _podman(self) -> list[str]:
        return [
            "podman",
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
        """Stop containers and service; remove mounts, bridges and rules."""
        if self._settings.exists() and system_packages.which("podman"):
            self._run("stop", "--all", "--time=1")
            self._run("network", "prune", "--force")
        self.daemon.stop(timeout=10)
        kill_with_children(self._leftover_processes())
        host_leftovers.unmount_below(self.data, self.exec)
        if self._settings.exists():
            host_leftovers.remove_podman_chains()
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
        for process, program in processes_naming(str(self.data), str(self.exec)):
            if program in ("conmon", "podman", "aardvark-dns"):
                yield process


def _limits() -> Iterator[str]:
    # Podman lowers its own limit of processes to the kernel's highest process id.
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
