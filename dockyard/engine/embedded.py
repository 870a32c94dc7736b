"""A private dockerd that the course starts as root, beside other daemons of the host.

It has its own data root, sockets, containerd, bridge, address range and iptables chains. Its
programs are those of the engine root. They run in mount and PID namespaces of their own: when the
first process in these ends, however it ends, the kernel ends all others, containers included, and
removes the mounts. Bridges and rules are the host's; netfilter removes them.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.process import Service
from dockyard.engine import engine_root, netfilter, oci_runtime
from dockyard.engine.base import MIRROR_PORT, Need
from dockyard.engine.private_daemon import DaemonEngine, kill_with_children, processes_naming

CGROUPS = Path("/sys/fs/cgroup")

NAMESPACE = """\
# Ids of processes that do not exist outside: 'kill $(docker inspect …)' then kills nothing else.
echo $(($(cat /proc/sys/kernel/pid_max) / 2)) > /proc/sys/kernel/ns_last_pid || true
# Where /tmp is mounted noexec, dockerd would not find these wrappers and take the host's iptables.
mount --bind {wrappers} {wrappers}
mount -o remount,bind,exec {wrappers}
export PATH={wrappers}:$PATH
# dockerd would use the host's containerd, if there is one; shims have their sockets here.
mkdir -p /run/containerd
mount -t tmpfs -o mode=711 none /run/containerd
# containerd mounts in this folder for each container. It may be removed at log-out, and that of a
# course terminal is removed with the run folder.
unset XDG_RUNTIME_DIR
"""
"""Shell that runs in the new namespaces, after the engine root's ``usr`` was laid over /usr."""


CONTAINERD = """\
#!/bin/sh
# dockerd runs this with --config FILE. The plugin would make a folder /opt/containerd.
sed -i 's/^disabled_plugins = \\[/&"io.containerd.internal.v1.opt", /' "$2"
exec /usr/bin/containerd "$@"
"""


class EmbeddedEngine(DaemonEngine):
    """dockerd of the engine root, started as root on this host.

    containerd_store chooses containerd's image store instead of Docker's own (overlay2), unless
    that one has images already.
    """

    name: ClassVar[str] = "embedded"
    title: ClassVar[str] = "a private Docker daemon, started by the course as root"

    def __init__(self, *, containerd_store: bool = True) -> None:
        self.containerd_store = containerd_store
        self.data = paths.home() / "engine"
        self.scratch = self.data / "tmp"
        self.exec = paths.run_dir() / "exec"
        self.socket = paths.run_dir() / "engine.sock"
        self.daemon = Service("dockerd")

    @property
    def _settings(self) -> Path:
        return paths.home() / "embedded.json"

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
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return self._choose_pool()

    def _choose_pool(self) -> ipaddress.IPv4Network:
        pool = netfilter.free_pool(str(paths.home()))
        self._settings.parent.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(json.dumps({"pool": str(pool)}))
        return pool

    @property
    def bridge(self) -> str:
        """The name of the default bridge: docker0's counterpart, unique to this home.

        The names of this engine's iptables chains begin with it.
        """
        return f"dy{paths.token()}"

    def bridges(self) -> set[str]:
        """The names of the bridges of this engine's networks."""
        return netfilter.bridges_of(self.bridge) | {self.bridge}

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
        yield from engine_root.needs()

    def _prepare(self, say: Say) -> None:
        engine_root.fetch(say)

    def client_root(self, say: Say) -> Path | None:
        """The engine root, fetched if it is missing."""
        return engine_root.fetch(say)

    def _start(self, mirror: str | None) -> None:
        if netfilter.is_used(self.pool):
            self._choose_pool()  # another engine has taken it since
        self._make_data()  # tells stop() that there is something to remove
        netfilter.prepare(self.bridge, self.pool, MIRROR_PORT)
        netfilter.write_wrappers(self._wrappers, self.bridge)
        self._write_containerd()
        default = netfilter.recorded(self._networks).get(self.bridge)
        if default and default not in self.pool:
            # dockerd would give its default bridge the address of the former range again. Without
            # a default bridge, it forgets it.
            self._run(self._dockerd_words(mirror, "none"))
            self.daemon.stop(timeout=30)
            netfilter.run("ip", "link", "delete", self.bridge)
        netfilter.make_bridge(self.bridge, f"{self.bridge_gateway}/24")
        self._run(self._dockerd_words(mirror, self.bridge))

    def _run(self, words: list[str]) -> None:
        self.daemon.start(self._in_namespaces(words))
        self._wait_for_daemon()

    @property
    def _networks(self) -> Path:
        """Where dockerd remembers its networks."""
        return self.data / "docker" / "network" / "files" / "local-kv.db"

    @property
    def _first_edition(self) -> Path:
        """A file that the engine of the first edition has left."""
        return self.data / "containerd.toml"

    @property
    def _wrappers(self) -> Path:
        return self.exec / "netfilter"

    def _make_data(self) -> None:
        for folder in (self.data / "docker", self.scratch, self.exec):
            folder.mkdir(parents=True, exist_ok=True)
        # Without it, dockerd would read the daemon.json of the host's own daemon.
        self._config.write_text("{}\n")

    def _write_containerd(self) -> None:
        program = self._wrappers / "containerd"
        program.write_text(CONTAINERD)
        program.chmod(0o755)

    def _in_namespaces(self, words: list[str]) -> list[str | Path]:
        """A command in namespaces of its own that ends with them."""
        root = engine_root.folder()
        return engine_root.command(
            root,
            # It forwards signals, and reaps the shims of containers that have ended.
            root / "usr/bin/tini-static",
            "--",
            *words,
            options=("--pid", "--fork", "--mount-proc", "--kill-child", "--forward-signals"),
            before=NAMESPACE.format(wrappers=shlex.quote(str(self._wrappers)))
            + f"export TMPDIR={shlex.quote(str(self.scratch))}\n"
            # With D-Bus, dockerd would let firewalld make its rules, past the wrappers.
            "export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent\n",
        )

    def _dockerd_places(self) -> list[str]:
        """dockerd and the files and folders of this home that it uses."""
        return [
            "dockerd",
            f"--config-file={self._config}",
            f"--data-root={self.data / 'docker'}",
            f"--exec-root={self.exec / 'docker'}",
            f"--pidfile={self._pid_file}",
            f"--host=unix://{self.socket}",
        ]

    def _dockerd_words(self, mirror: str | None, bridge: str) -> list[str]:
        return [
            *self._dockerd_places(),
            f"--bridge={bridge}",
            f"--default-address-pool=base={self.pool},size=24",
            # systemd cannot make cgroups for process ids of another namespace.
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{self.bridge}",
            *([f"--registry-mirror={mirror}"] if mirror else []),
            *self._store_options(),
            # netfilter.prepare() has let the host forward packets.
            "--ip-forward-no-drop",
            # dockerd looks into /usr/local first.
            "--userland-proxy-path=/usr/sbin/docker-proxy",
            "--init-path=/usr/bin/docker-init",
            *oci_runtime.known(self.data),
        ]

    def _store_options(self) -> list[str]:
        # As Docker 29 does: what an earlier release has put into Docker's own store stays in sight.
        images = (self.data / "docker" / "image").glob("*/imagedb/content/sha256/*")
        chosen = self.containerd_store and not any(images)
        return [f"--feature=containerd-snapshotter={str(chosen).lower()}"]

    def stop(self, say: Say) -> None:
        """Stop dockerd and its containers; remove bridges, rules and sockets."""
        # Found by its arguments where the run folder with the pid file was removed.
        mark = f"--data-root={self.data / 'docker'}"
        forgotten = [process for process, _ in processes_naming(mark)]
        # In the first edition, containerd was a service of its own.
        settings = str(self._first_edition)
        forgotten += [each for each, name in processes_naming(settings) if name == "containerd"]
        if not (forgotten or self.exec.exists()):
            return
        self.daemon.stop(timeout=30)
        kill_with_children(forgotten)
        self._clear_network()
        self._clear_cgroups()
        self._clear_files()

    def _clear_files(self) -> None:
        shutil.rmtree(self.exec, ignore_errors=True)
        for file in (self.socket, self._pid_file):
            file.unlink(missing_ok=True)

    def _clear_network(self) -> None:
        # Only root can have made bridges and rules, and only root can remove them.
        if self._settings.exists() and os.geteuid() == 0:
            bridges = self.bridges()
            if self._first_edition.exists():
                own = netfilter.recorded(self._networks)
                bridges |= {name for name in own if name.startswith("br-")}
                netfilter.remove_rules_about(bridges)
                self._first_edition.unlink()
            netfilter.clear(self.bridge, bridges, self.pool)

    def _clear_cgroups(self) -> None:
        for top in (*CGROUPS.glob(self.bridge), *CGROUPS.glob(f"*/{self.bridge}")):
            for folder in (*sorted(top.rglob("*/"), reverse=True), top):
                with suppress(OSError):
                    folder.rmdir()
