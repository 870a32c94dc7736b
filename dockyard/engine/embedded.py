"""A private dockerd that the course starts as root, beside other daemons of the host.

It has its own data root, sockets, containerd, bridge and address range. Stopping it removes all
its processes, mounts, bridges and packet filter rules. Its programs are those of the engine root;
containerd and dockerd share one mount namespace.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psutil

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.process import Service
from dockyard.engine import engine_root, netfilter, oci_runtime, system_packages
from dockyard.engine.base import Need
from dockyard.engine.private_daemon import (
    DaemonEngine,
    kill_with_children,
    processes_naming,
    wait_for,
)

PROGRAMS = {"curl": "curl"}
"""What lessons run on this host besides the docker client, with Debian packages."""

OWNER = "DOCKYARD_HOME"
"""The environment variable that marks the programs dockerd starts as this home's."""

CONTAINERD_CONFIG = """\
version = 2
root = "{data}/containerd"
state = "{exec}/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{socket}"
"""


class EmbeddedEngine(DaemonEngine):
    """dockerd of the engine root, started as root on this host.

    containerd_store chooses containerd's image store instead of Docker's own (overlay2).
    """

    name: ClassVar[str] = "embedded"
    title: ClassVar[str] = "a private Docker daemon, started by the course as root"

    def __init__(self, *, containerd_store: bool = False) -> None:
        self.containerd_store = containerd_store
        self.data = paths.home() / "engine"
        self.exec = paths.run_dir() / "exec"
        self.socket = paths.run_dir() / "engine.sock"
        self.containerd = Service("containerd")
        self.daemon = Service("dockerd")

    @property
    def _settings(self) -> Path:
        return paths.home() / "embedded.json"

    @property
    def _containerd_socket(self) -> Path:
        return paths.run_dir() / "containerd.sock"

    @property
    def _containerd_config(self) -> Path:
        return self.data / "containerd.toml"

    @property
    def _config(self) -> Path:
        return self.data / "daemon.json"

    @property
    def _pid_file(self) -> Path:
        return paths.run_dir() / "dockerd-own.pid"

    @property
    def pool(self) -> ipaddress.IPv4Network:
        """The /16 for all networks of this engine, chosen once per home among the unused ones."""
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
        """The name of the default bridge: docker0's counterpart, unique to this home."""
        return f"dy{paths.token()}"

    def bridges(self) -> dict[str, ipaddress.IPv4Network]:
        """Every bridge that this engine made or will make, by name."""
        default = next(self.pool.subnets(new_prefix=24))
        database = self.data / "docker" / "network" / "files" / "local-kv.db"
        return netfilter.recorded_bridges(database) | {self.bridge: default}

    @property
    def bridge_gateway(self) -> str | None:
        """The host's address on the default bridge."""
        return str(self.pool.network_address + 1)

    def _root(self) -> Need:
        root = os.geteuid() == 0
        return Need(
            "root",
            root,
            "yes" if root else f"user id {os.geteuid()}",
            "" if root else "sudo python3 -m dockyard learn --engine embedded",
        )

    def _needs(self) -> Iterator[Need]:
        yield self._root()
        yield system_packages.need(self._absent())
        yield from engine_root.needs()

    def _packages(self) -> dict[str, str]:
        return PROGRAMS

    def _install(self, say: Say, *, agreed: bool) -> None:
        system_packages.install(self._absent(), say, agreed=agreed)
        engine_root.fetch(say)

    def _absent(self) -> list[str]:
        return [*system_packages.missing(self._packages()), *engine_root.missing_packages()]

    def client_root(self, say: Say) -> Path | None:
        """The engine root, fetched if it is missing."""
        return engine_root.fetch(say)

    def _search(self) -> str:
        return engine_root.PATH

    def _program(self, name: str) -> str:
        return name  # found by _search() in the mount namespace

    def _start(self, mirror: str | None) -> None:
        netfilter.remember_initial_state()
        if netfilter.is_used(self.pool, ignoring=self.bridges()):
            self._choose_pool()  # another engine has taken it since
        netfilter.make_bridge(self.bridge, f"{self.bridge_gateway}/24")
        self._make_data()
        self._start_containerd()
        with netfilter.other_engines_rules_kept(self.bridges()):
            self._start_dockerd(mirror)

    def _make_data(self) -> None:
        for folder in (self.data / "containerd", self.data / "docker", self.exec):
            folder.mkdir(parents=True, exist_ok=True)
        # Without it, dockerd would read the daemon.json of the host's own daemon.
        self._config.write_text("{}\n")

    def _start_containerd(self) -> None:
        # Without this, dockerd would use the host's containerd, if there is one.
        self._containerd_config.write_text(
            CONTAINERD_CONFIG.format(data=self.data, exec=self.exec, socket=self._containerd_socket)
        )
        self.containerd.start(self._containerd_command(), env={"PATH": self._search()})
        wait_for(self.containerd, "containerd", self._containerd_socket.exists, timeout=30)

    def _containerd_command(self) -> list[str | Path]:
        words = self._containerd_words()
        return engine_root.command(engine_root.folder(), *words)

    def _containerd_words(self) -> list[str | Path]:
        return [self._program("containerd"), "--config", self._containerd_config]

    def _start_dockerd(self, mirror: str | None) -> None:
        self.daemon.start(
            self._dockerd_command(mirror),
            # A learner's PATH may lack the folders of administration programs.
            env={"PATH": self._search(), OWNER: str(paths.home())},
        )
        self._wait_for_daemon()

    def _dockerd_command(self, mirror: str | None) -> list[str | Path]:
        containerd = self.containerd.process()
        assert containerd, "it was just started"
        words = [*self._dockerd_words(mirror), *self._store_options(), *self._runtime_options()]
        return engine_root.join(containerd.pid, *words)

    def _dockerd_places(self) -> list[str]:
        """dockerd and the files and folders of this home that it uses."""
        return [
            self._program("dockerd"),
            f"--config-file={self._config}",
            f"--data-root={self.data / 'docker'}",
            f"--exec-root={self.exec / 'docker'}",
            f"--pidfile={self._pid_file}",
            f"--host=unix://{self.socket}",
        ]

    def _dockerd_words(self, mirror: str | None) -> list[str | Path]:
        return [
            *self._dockerd_places(),
            f"--containerd={self._containerd_socket}",
            f"--bridge={self.bridge}",
            f"--default-address-pool=base={self.pool},size=24",
            *([f"--registry-mirror={mirror}"] if mirror else []),
        ]

    def _store_options(self) -> list[str]:
        return [f"--feature=containerd-snapshotter={str(self.containerd_store).lower()}"]

    def _runtime_options(self) -> list[str]:
        return oci_runtime.known(self.data)

    def stop(self, say: Say) -> None:
        """Stop containers, dockerd and containerd; remove mounts, bridges and rules."""
        self.daemon.stop(timeout=30)
        self.containerd.stop(timeout=10)
        self._clear_leftovers()

    def _clear_leftovers(self) -> None:
        """Remove what a killed daemon left: containers, mounts, bridges and sockets."""
        kill_with_children(self._leftover_processes())
        netfilter.unmount_below(self.data, self.exec)
        self._clear_network()
        shutil.rmtree(self.exec, ignore_errors=True)
        for file in (self.socket, self._containerd_socket, self._pid_file):
            file.unlink(missing_ok=True)

    def _clear_network(self) -> None:
        # Only root can have made bridges and rules, and only root can remove them.
        if self._settings.exists() and os.geteuid() == 0:
            netfilter.sweep(self.bridges())

    def _leftover_processes(self) -> Iterator[psutil.Process]:
        marks = (str(self.exec), str(self._containerd_socket), str(self.data))
        for process, program in processes_naming(*marks):
            if program.startswith(("containerd", "dockerd")):
                yield process
        # The arguments of docker-proxy name nothing of this home; its environment does.
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                is_proxy = process.name() == "docker-proxy"
                if is_proxy and process.environ().get(OWNER) == str(paths.home()):
                    yield process
