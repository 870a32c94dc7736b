"""A private dockerd that the course starts without root, where user namespaces allow it.

RootlessKit makes a user, mount, network and process namespace in which the user counts as root,
and dockerd runs in it (https://docs.docker.com/engine/security/rootless/). slirp4netns connects
its network; published ports are opened on the host by RootlessKit. The kernel takes everything
back when the namespaces end: bridges, rules and mounts were never the host's.
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
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import psutil

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.engine import netfilter, system_packages
from dockyard.engine.base import Endpoint, Need, disk_space
from dockyard.engine.embedded import PROGRAMS as DAEMON_PROGRAMS
from dockyard.engine.embedded import ROOM_NEEDED, EmbeddedEngine

PROGRAMS = {
    **DAEMON_PROGRAMS,
    "rootlesskit": "rootlesskit",
    "rootlesskit-docker-proxy": "rootlesskit",
    "slirp4netns": "slirp4netns",
    "newuidmap": "uidmap",
    # Of the course registry: an administrator who is asked at all should be asked once.
    "docker-registry": "docker-registry",
    "skopeo": "skopeo",
    "mmdebstrap": "mmdebstrap",
}
"""The programs that must be there, each with the Debian package that brings it."""

OVERLAY_SINCE = (5, 11)
"""The first Linux that mounts overlay file systems in a user namespace; before, FUSE does it."""
FUSE = "fuse-overlayfs"
"""The program, its package, and Docker's name for the storage driver."""

IDS_NEEDED = 65536
MTU = 65520

CHILD = """\
set -e
# Links to the host's files of these names, made by --copy-up; dockerd makes its own.
rm -f /run/docker /run/containerd /run/xtables.lock
for chain in FORWARD OUTPUT; do
    if [ -n "{port}" ]; then
        iptables --wait -t mangle -A $chain -d {host} -p tcp --dport "{port}" -j ACCEPT
    fi
    iptables --wait -t mangle -A $chain -d {host} -j DROP
done
exec "$@"
"""
"""What runs in the namespaces: the host's loopback is closed, except for the course registry."""


class RootlessEngine(EmbeddedEngine):
    """dockerd started in namespaces of the user's own."""

    title: ClassVar[str] = "a private Docker daemon, started by the course without root"

    def __init__(self) -> None:
        super().__init__()
        self.state = paths.run_dir() / "rootlesskit"
        self.inner_mirror = ""

    @property
    def outside(self) -> ipaddress.IPv4Network:
        """The network of slirp4netns; its second address is the host's loopback."""
        return list(self.pool.subnets(new_prefix=24))[-1]

    @property
    def host(self) -> str:
        """The host's loopback as seen from the daemon and its containers."""
        return str(self.outside.network_address + 2)

    @property
    def bridge_gateway(self) -> str | None:
        """None: the bridge is in a network namespace of its own."""
        return None

    def _needs(self) -> Iterator[Need]:
        system = platform.system()
        yield Need("Linux", system == "Linux", system)
        absent = system_packages.missing(_programs())
        yield Need(
            "programs",
            not absent,
            f"missing packages: {' '.join(absent)}" if absent else "all present",
            f"ask an administrator to run:  sudo apt-get install {' '.join(absent)}"
            if absent
            else "",
        )
        yield subordinate_ids(getpass.getuser())
        yield _namespaces()
        yield _device("network device", Path("/dev/net/tun"))
        if _needs_fuse():
            yield _device("file system device", Path("/dev/fuse"))
        yield disk_space(ROOM_NEEDED, "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn")
        yield _limits()

    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Endpoint:
        """Start RootlessKit with dockerd in it, or find them running."""
        port = urlsplit(mirror).port if mirror else None
        self.inner_mirror = f"http://{self.host}:{port}" if port else ""
        if running := self.endpoint():
            return running
        self._check()
        self.stop(say)  # what a killed daemon left
        self._check_room()
        if netfilter.is_taken(self.pool, apart_from=()):
            self._choose_pool()
            self.inner_mirror = f"http://{self.host}:{port}" if port else ""
        for folder in (self.data / "docker", self.exec):
            folder.mkdir(parents=True, exist_ok=True)
        self.dockerd.start(
            [*self._rootlesskit(), "sh", "-c", self._child(port), "sh", *self._daemon()],
            env={
                "PATH": system_packages.SEARCH,
                "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR") or str(paths.run_dir()),
            },
        )
        self._wait_for_daemon()
        self.socket.chmod(0o600)
        return Endpoint(f"unix://{self.socket}")

    def _rootlesskit(self) -> list[str]:
        return [
            system_packages.which("rootlesskit"),
            "--net=slirp4netns",
            f"--cidr={self.outside}",
            f"--mtu={MTU}",
            "--slirp4netns-sandbox=auto",
            "--slirp4netns-seccomp=auto",
            "--port-driver=builtin",
            "--copy-up=/etc",
            "--copy-up=/run",
            "--propagation=rslave",
            # With its first process ends every other. systemd, which sets limits where it can,
            # would not know the processes by the ids they have in such a namespace.
            *([] if _systemd_sets_limits() else ["--pidns"]),
            f"--state-dir={self.state}",
        ]

    def _child(self, port: int | None) -> str:
        return CHILD.format(host=self.host, port=port or "")

    def _daemon(self) -> list[str]:
        default = next(self.pool.subnets(new_prefix=24))
        inner = next(self.pool.subnets(new_prefix=17))
        return [
            system_packages.which("dockerd"),
            f"--data-root={self.data / 'docker'}",
            f"--exec-root={self.exec / 'docker'}",
            f"--pidfile={paths.run_dir() / 'dockerd-own.pid'}",
            f"--host=unix://{self.socket}",
            f"--bip={default.network_address + 1}/24",
            f"--default-address-pool=base={inner},size=24",
            *([f"--storage-driver={FUSE}"] if _needs_fuse() else []),
            *([f"--registry-mirror={self.inner_mirror}"] if self.inner_mirror else []),
        ]

    def stop(self, say: Say) -> None:
        """Stop containers and dockerd; the namespaces with all that is in them end with it."""
        kit = self.dockerd.process()
        if kit is not None:
            # RootlessKit itself would kill: dockerd is asked first, so that containers may end.
            for child in kit.children(recursive=True):
                if child.name() == "dockerd":
                    child.terminate()
            psutil.wait_procs([kit], timeout=30)
        self.dockerd.stop(timeout=5)
        self._clear_leftovers()

    def _leftover_processes(self) -> Iterator[psutil.Process]:
        yield from super()._leftover_processes()
        mark = f"--state-dir={self.state}"
        for process in psutil.process_iter():
            try:
                if mark in process.cmdline():
                    yield process
            except psutil.Error:
                continue

    def _clear_network(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)


def _programs() -> dict[str, str]:
    return PROGRAMS | ({FUSE: FUSE} if _needs_fuse() else {})


def _needs_fuse() -> bool:
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    return found is not None and (int(found[1]), int(found[2])) < OVERLAY_SINCE


def subordinate_ids(user: str) -> Need:
    """The need for user and group ids that user may hand to containers (subuid(5), subgid(5))."""
    counts = {name: _count(Path("/etc") / name, user) for name in ("subuid", "subgid")}
    told = ", ".join(f"{count} in /etc/{name}" for name, count in counts.items())
    return Need(
        "subordinate ids",
        all(count >= IDS_NEEDED for count in counts.values()),
        f"{told}; {IDS_NEEDED} needed",
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
    """The need for user namespaces, by making one as the engine would."""
    kit = system_packages.which("rootlesskit")
    words = [kit] if kit else ["unshare", "--user", "--map-root-user"]
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
    """The need for a device of the kernel; the module that makes it has its name."""
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
    """Whether dockerd can limit containers here: cgroup v2 and the user's own systemd."""
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
