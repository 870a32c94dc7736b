"""A learner's own Docker without Docker Hub: dockerd as it comes, used by the course as ``local``.

dockerd is started without any option about networks: its bridge is docker0 with 172.17.0.1, its
networks are in 172.18.0.0/16 and so on. It runs in a network namespace of its own, so other
daemons of the host keep their docker0 and their rules, and there is no way to Docker Hub. Whatever
tests it, such as the course registry and kernels, is started in that namespace, too.
"""

from __future__ import annotations

import os
import shutil
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.process import Service
from dockyard.engine import client_programs, debian_archive, engine_root, oci_runtime
from dockyard.engine.base import Endpoint, Need, answers
from dockyard.engine.local import LocalEngine
from dockyard.engine.private_daemon import kill_with_children, processes_naming, wait_for
from tests.engines.network_namespace import NetworkNamespace
from tests.support import host_leftovers

_namespace = NetworkNamespace()
"""Entered by the process that starts an engine, and left by it when it stops the engine."""


class BareEngine(LocalEngine):
    """dockerd with Docker's default settings, which the course must not configure.

    Its programs are laid over this host's ``/usr``, as those of the embedded engine are.
    """

    def __init__(self) -> None:
        self.data = paths.home() / self.name
        self.exec = paths.run_dir() / self.name
        self.socket = paths.run_dir() / f"{self.name}.sock"
        self.daemon = Service(self.name)

    @abstractmethod
    def _programs(self, say: Say) -> Path:
        """The folder whose ``usr`` has the daemon's and the client's programs; fetches them."""

    @abstractmethod
    def _options(self) -> Sequence[str]:
        """Further options of dockerd."""

    def needs(self) -> list[Need]:
        """Root, for the daemon and its network namespace, and a way to fetch the programs."""
        root = os.geteuid() == 0
        found = "yes" if root else f"user id {os.geteuid()}"
        return [Need("root", root, found), *engine_root.needs()]

    def start(self, say: Say, *, mirror: str | None = None) -> Endpoint:
        """Start the daemon. Raises InstallFailed, EngineStartFailed or EngineStartTimeout."""
        programs = self._programs(say)
        client_programs.ensure(say, programs)  # nothing can be fetched in the namespace
        self.stop(say)
        _namespace.enter()
        for folder in (self.data, self.exec):
            folder.mkdir(parents=True, exist_ok=True)
        # Without it, dockerd would read the daemon.json of the host's own daemon.
        config = self.data / "daemon.json"
        config.write_text("{}\n")
        dockerd = engine_root.command(
            programs,
            "dockerd",
            f"--config-file={config}",
            f"--data-root={self.data / 'docker'}",
            f"--exec-root={self.exec}",
            f"--pidfile={self.exec / 'docker.pid'}",
            f"--host=unix://{self.socket}",
            *self._options(),
        )
        # Nobody could use it without the network namespace of this process.
        ends_with_this_process = ["setpriv", "--pdeathsig=TERM"]
        self.daemon.start([*ends_with_this_process, *dockerd], env={"PATH": engine_root.PATH})
        wait_for(self.daemon, "dockerd to answer", lambda: answers(self.socket), timeout=60)
        self.socket.chmod(0o600)
        return Endpoint(f"unix://{self.socket}")

    def endpoint(self) -> Endpoint | None:
        """The daemon's socket, if it answers."""
        return Endpoint(f"unix://{self.socket}") if answers(self.socket) else None

    def client_root(self, say: Say) -> Path | None:
        """The daemon's programs: a learner has the client of the same version."""
        return self._programs(say)

    def stop(self, say: Say) -> None:
        """Stop the daemon with its containers, and leave its network namespace."""
        self.daemon.stop(timeout=30)
        kill_with_children(process for process, _ in processes_naming(f"{self.exec}/"))
        host_leftovers.unmount_below(self.data, self.exec)
        shutil.rmtree(self.exec, ignore_errors=True)
        self.socket.unlink(missing_ok=True)
        _namespace.leave()


class TodaysEngine(BareEngine):
    """The Docker of the engine root."""

    name: ClassVar[str] = "bare"
    title: ClassVar[str] = "a Docker daemon with its default settings and no Docker Hub"

    def _programs(self, say: Say) -> Path:
        return engine_root.fetch(say)

    def _options(self) -> Sequence[str]:
        return ["--feature=containerd-snapshotter=true"]  # the default from Docker 29 on


class OldestEngine(BareEngine):
    """Docker 20.10 of Debian 12, the oldest that ``local`` accepts: daemon and client.

    The plugins (Compose, buildx), which Debian 12 does not have, are this host's or Debian 13's, as
    for a learner who has this Docker.
    """

    name: ClassVar[str] = "docker-20"
    title: ClassVar[str] = "Docker 20.10 of Debian 12 with its default settings and no Docker Hub"

    SUITE = "bookworm"
    PACKAGES = (
        "docker.io", "containerd", "runc", "tini",
        "libdevmapper1.02.1", "libsystemd0", "libseccomp2",
    )  # fmt: skip

    def _programs(self, say: Say) -> Path:
        root = paths.home() / f"{self.name}-root"
        if root.exists():
            return root
        say(f"fetching {self.title}")
        part = root.with_name(f"{root.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        log = paths.logs() / f"{self.name}-root.log"
        debian_archive.extract(self.PACKAGES, self.SUITE, part, log, self.title)
        part.rename(root)
        return root

    def _options(self) -> Sequence[str]:
        # Docker 20.10 asks runc for every capability, see oci_runtime.
        return oci_runtime.options(self.data)
