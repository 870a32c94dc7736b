"""The interface of every provider of a Docker engine."""

from __future__ import annotations

import errno
import shutil
import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.labels import UNTRACED_HEADER

LARGER_DISK = "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn"
"""What to type when a disk is too small; further options of the command may follow."""

AGAIN = "python3 -m dockyard engine start"
"""What to type when the reason why an engine was not set up is gone; JupyterLab may stay open."""

MINIMUM_API = (1, 41)
"""The oldest Docker Engine API the lessons work with: that of Docker 20.10."""

MIRROR_PORT = 5050
"""The port on the bridge's gateway at which containers reach the course registry."""


def is_new_enough(api_version: str) -> bool:
    """Whether an API version such as ``1.41`` is at least MINIMUM_API."""
    return tuple(int(part) for part in api_version.split(".")) >= MINIMUM_API


@dataclass(frozen=True)
class Need:
    """One requirement of a provider, and whether this machine meets it.

    next is the command that would meet it, if there is one. An optional need is reported but
    does not rule the provider out.
    """

    name: str
    met: bool
    found: str
    next: str = ""
    optional: bool = False

    @property
    def blocks(self) -> bool:
        """Whether the provider cannot work here because of this need."""
        return not (self.met or self.optional)


@dataclass(frozen=True)
class Endpoint:
    """How the front door reaches the daemon.

    address is ``unix:///path``, ``tcp://host:port`` (with the three files for mutual TLS),
    ``ssh://user@host:port`` or ``dial-stdio:CONTEXT``, which connects by
    ``docker --context CONTEXT system dial-stdio``.
    """

    address: str
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""


class Engine(ABC):
    """A source of one Docker daemon."""

    name: ClassVar[str]
    title: ClassVar[str]
    private: ClassVar[bool] = True
    """Whether only the course uses the daemon, so that the course may configure it."""

    @abstractmethod
    def needs(self) -> list[Need]:
        """Everything this provider requires of this machine. Changes nothing."""

    @abstractmethod
    def start(self, say: Say, *, mirror: str | None = None) -> Endpoint:
        """Start the daemon, or find it running, and return its endpoint.

        mirror is the URL of the course registry. Raises EngineError or SetupError.
        """

    @abstractmethod
    def stop(self, say: Say) -> None:
        """Stop what start() started and remove its traces. Does nothing when nothing runs."""

    @abstractmethod
    def endpoint(self) -> Endpoint | None:
        """How to reach the running daemon; None if none runs."""

    def client_root(self, say: Say) -> Path | None:
        """The folder whose ``usr`` has the docker client for cells; None for the learner's own."""
        return None

    @property
    def bridge_gateway(self) -> str | None:
        """The host's address for containers, if the provider assigned it; else None."""
        return None

    @property
    def inner_mirror(self) -> str:
        """The course registry's URL for containers, if the provider forwards it; else empty."""
        return ""

    def remark(self) -> str:
        """One line for ``engine status`` about how the running engine is run; may be empty."""
        return ""

    def unmet(self) -> list[Need]:
        """The needs that currently rule this provider out."""
        return [need for need in self.needs() if need.blocks]


def free_space(folder: Path) -> int:
    """Free bytes on the file system of folder, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def disk_space(least: int, next: str) -> Need:
    """The need for at least this many free bytes in the course's home."""
    free = free_space(paths.home())
    found = f"{free / 1e9:.1f} GB free in {paths.home()}, {least / 1e9:.1f} GB needed"
    return Need("disk space", free >= least, found, next)


def answers(path: Path, timeout: float = 5.0) -> bool:
    """Whether a daemon answers ``GET /_ping`` on a UNIX socket (Docker Engine API: SystemPing).

    timeout is in seconds. Does not use the SDK, which leaks a socket when no daemon answers.
    ``%%trace`` does not show it.
    """
    return _get(path, "/_ping", timeout).startswith(b"HTTP/1.1 200 ")


def refuses(path: Path) -> bool:
    """Whether no process listens on a UNIX socket; False when one does that never answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.setblocking(False)
        return connection.connect_ex(str(path)) in (errno.ECONNREFUSED, errno.ENOENT)


def lacks_containerd(path: Path, timeout: float = 5.0) -> bool:
    """Whether the daemon on a UNIX socket answers without its containerd: no container can run.

    Similar to ``docker version``, which leaves out a containerd that does not answer. timeout is in
    seconds.
    """
    found = _get(path, "/version", timeout)
    return b'"Name":"Engine"' in found and b'"Name":"containerd"' not in found


def _get(path: Path, target: str, timeout: float) -> bytes:
    """The response of a daemon, head and body; empty when there is none."""
    lines = (f"GET {target} HTTP/1.1", "Host: docker", f"{UNTRACED_HEADER}: 1", "Connection: close")
    request = "\r\n".join((*lines, "", ""))
    deadline = time.monotonic() + timeout
    found = b""
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(request.encode())
        while time.monotonic() < deadline and (data := connection.recv(65536)):
            found += data
    return found
