"""A private dockerd that the course starts without root, if user namespaces are allowed.

RootlessKit creates user, mount, network and PID namespaces in which the user is root, and runs
dockerd in them (https://docs.docker.com/engine/security/rootless/). slirp4netns connects the
network namespace to the host; RootlessKit publishes ports on the host. Bridges, rules and mounts
exist only in the namespaces, so the kernel removes them with these.
"""

from __future__ import annotations

import getpass
import ipaddress
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import psutil

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.engine import engine_root, netfilter, system_packages
from dockyard.engine.base import Endpoint, Need
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.engine.private_daemon import kill_with_children, processes_naming

OVERLAY_SINCE = (5, 11)
"""The first Linux that can mount overlay file systems in a user namespace without FUSE."""
FUSE = "fuse-overlayfs"
"""The name of the program and of Docker's storage driver."""

IDS_NEEDED = 65536
MTU = 65520

CHILD = """\
set -e
{over_usr}
# --copy-up made these links to the host's files; dockerd must create its own.
rm -f /run/docker /run/containerd /run/xtables.lock
for chain in FORWARD OUTPUT; do
    if [ -n "{port}" ]; then
        iptables --wait -t mangle -A $chain -d {host} -p tcp --dport "{port}" -j ACCEPT
    fi
    iptables --wait -t mangle -A $chain -d {host} -j DROP
done
exec "$@"
"""
"""Runs in the namespaces: lays the engine root $0 over /usr and blocks the host's loopback.

The course registry's port stays open.
"""


class RootlessEngine(EmbeddedEngine):
    """dockerd started in a user namespace by RootlessKit."""

    title: ClassVar[str] = "a private Docker daemon, started by the course without root"

    def __init__(self) -> None:
        super().__init__()
        self.state = paths.run_dir() / "rootlesskit"
        self.registry_port: int | None = None

    @property
    def outside(self) -> ipaddress.IPv4Network:
        """The network of slirp4netns; its second address leads to the host's loopback."""
        return list(self.pool.subnets(new_prefix=24))[-1]

    @property
    def host(self) -> str:
        """The address of the host's loopback for the daemon and its containers."""
        return str(self.outside.network_address + 2)

    @property
    def bridge_gateway(self) -> str | None:
        """None: the bridge is not in the host's network namespace."""
        return None

    @property
    def inner_mirror(self) -> str:
        """The course registry's URL, which slirp4netns forwards to the host's loopback."""
        return f"http://{self.host}:{self.registry_port}" if self.registry_port else ""

    def _needs(self) -> Iterator[Need]:
        yield Need(
            "newuidmap",
            system_packages.which("newuidmap") is not None,
            system_packages.which("newuidmap") or "the package uidmap is missing",
            "ask an administrator to run:  sudo apt-get install uidmap",
        )
        yield from engine_root.needs()
        yield subordinate_ids(getpass.getuser())
        yield _namespaces()
        yield _device("network device", Path("/dev/net/tun"))
        if _needs_fuse():
            yield _device("file system device", Path("/dev/fuse"))
        yield _limits()

    def start(self, say: Say, *, mirror: str | None = None) -> Endpoint:
        """Start RootlessKit with dockerd in it, or find them running."""
        self.registry_port = urlsplit(mirror).port if mirror else None
        return super().start(say, mirror=mirror)

    def _start(self, mirror: str | None) -> None:
        if netfilter.is_used(self.pool):
            self._choose_pool()
        self._make_data()
        self.daemon.start(
            [
                *self._rootlesskit(),
                "sh",
                "-c",
                self._child(),
                engine_root.folder(),
                *self._dockerd(),
            ],
            env={
                "PATH": system_packages.SEARCH,
                "TMPDIR": str(self.scratch),
                # A log-in session's folder is removed at log-out. dockerd only needs it to reach
                # the session's systemd.
                **({} if _systemd_sets_limits() else {"XDG_RUNTIME_DIR": str(paths.run_dir())}),
            },
        )
        self._wait_for_daemon()

    def _rootlesskit(self) -> list[str | Path]:
        return [
            engine_root.rootlesskit(),
            "--net=slirp4netns",
            f"--slirp4netns-binary={engine_root.program('slirp4netns')}",
            f"--cidr={self.outside}",
            f"--mtu={MTU}",
            "--slirp4netns-sandbox=auto",
            "--slirp4netns-seccomp=auto",
            "--port-driver=builtin",
            "--copy-up=/etc",
            "--copy-up=/run",
            "--propagation=rslave",
            # All processes of a PID namespace are killed with its first. systemd, if it sets
            # limits, needs process ids of the host's namespace.
            *([] if _systemd_sets_limits() else ["--pidns"]),
            f"--state-dir={self.state}",
        ]

    def _child(self) -> str:
        over_usr = engine_root.over_usr(engine_root.folder(), FUSE if _needs_fuse() else "")
        return CHILD.format(over_usr=over_usr, host=self.host, port=self.registry_port or "")

    def _dockerd(self) -> list[str]:
        default = next(self.pool.subnets(new_prefix=24))
        inner = next(self.pool.subnets(new_prefix=17))
        return [
            *self._dockerd_places(),
            f"--bip={default.network_address + 1}/24",
            f"--default-address-pool=base={inner},size=24",
            *self._store_options(),
            # dockerd asks the user's systemd for cgroups wherever the system has a systemd, and no
            # container starts if the user has none. Without root this driver makes no cgroups.
            *([] if _systemd_sets_limits() else ["--exec-opt=native.cgroupdriver=cgroupfs"]),
            *([f"--registry-mirror={self.inner_mirror}"] if self.inner_mirror else []),
        ]

    def _store_options(self) -> list[str]:
        if not _needs_fuse():
            return super()._store_options()
        # containerd's image store has no fuse-overlayfs.
        return ["--feature=containerd-snapshotter=false", f"--storage-driver={FUSE}"]

    def stop(self, say: Say) -> None:
        """Stop containers and dockerd; the kernel then removes the namespaces."""
        kit = self.daemon.process()
        if kit is not None:
            # RootlessKit kills its child; dockerd stops its containers first if it gets SIGTERM.
            children: list[psutil.Process] = []
            with suppress(psutil.NoSuchProcess):
                children = kit.children(recursive=True)
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    if child.name() == "dockerd":
                        child.terminate()
            psutil.wait_procs([kit], timeout=30)
        self.daemon.stop(timeout=5)
        # Without a PID namespace, containers outlive a RootlessKit that was killed.
        left = processes_naming(str(self.state), str(self.exec))
        kill_with_children(process for process, _ in left)
        self._clear_files()

    def _clear_files(self) -> None:
        super()._clear_files()
        shutil.rmtree(self.state, ignore_errors=True)


def _needs_fuse() -> bool:
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    return found is not None and (int(found[1]), int(found[2])) < OVERLAY_SINCE


def subordinate_ids(user: str) -> Need:
    """The need for user and group ids that user may give to containers (subuid(5), subgid(5))."""
    counts = {name: _count(Path("/etc") / name, user) for name in ("subuid", "subgid")}
    found = ", ".join(f"{count} in /etc/{name}" for name, count in counts.items())
    return Need(
        "subordinate ids",
        all(count >= IDS_NEEDED for count in counts.values()),
        f"{found}; {IDS_NEEDED} needed",
        "ask an administrator to run:  sudo usermod --add-subuids 100000-165535 "
        f"--add-subgids 100000-165535 {user}",
    )


def _count(file: Path, user: str) -> int:
    try:
        lines = [line.split(":") for line in file.read_text().splitlines()]
    except OSError:
        return 0
    names = (user, str(os.getuid()))
    return sum(int(line[2]) for line in lines if len(line) == 3 and line[0] in names)


def _namespaces() -> Need:
    """The need for user namespaces, found by creating one as the engine would."""
    words = ["unshare", "--user", "--map-root-user"]
    if engine_root.rootlesskit().exists():
        words = [str(engine_root.rootlesskit())]
    try:
        done = subprocess.run(
            [*words, "true"], capture_output=True, text=True, timeout=20, check=False,
            env={**os.environ, "PATH": system_packages.SEARCH},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Need("user namespaces", False, str(error))
    if done.returncode == 0:
        return Need("user namespaces", True, "one could be made")
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Need("user namespaces", False, f"none could be made: {said[:160]}", _remedy())


def _device(name: str, path: Path) -> Need:
    """The need to open a device; the kernel module that provides it has the same name."""
    opens = os.access(path, os.R_OK | os.W_OK)
    command = f"chmod 666 {path}" if path.exists() else f"modprobe {path.name}"
    return Need(
        name,
        opens,
        f"{path} {'can' if opens else 'cannot'} be opened",
        "" if opens else f"ask an administrator to run:  sudo {command}",
    )


def _remedy() -> str:
    for name, bad in (
        ("kernel.unprivileged_userns_clone", "0"),
        ("user.max_user_namespaces", "0"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1"),
    ):
        try:
            value = Path("/proc/sys", *name.split(".")).read_text().strip()
        except OSError:
            continue
        if value == bad:
            good = {"user.max_user_namespaces": "28633", "kernel.unprivileged_userns_clone": "1"}
            return (
                "ask an administrator to run:  sudo sysctl --write "
                f"{name}={good.get(name, '0')}   (see what it means for the whole system)"
            )
    return ""


def _systemd_sets_limits() -> bool:
    """Whether dockerd can limit containers here: needs cgroup v2 and the user's systemd."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return (
        Path("/sys/fs/cgroup/cgroup.controllers").exists()
        and bool(runtime)
        and Path(runtime, "systemd", "private").exists()
    )


def _limits() -> Need:
    met = _systemd_sets_limits()
    return Need(
        "limits of containers",
        met,
        "by the user's systemd" if met else "none: --memory, --cpus and docker pause do nothing",
        "" if met else "cgroup v2 and a log-in session of systemd would bring them",
        optional=True,
    )
