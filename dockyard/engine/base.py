"""What every provider of a Docker engine offers."""

from __future__ import annotations

import shutil
import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dockyard.core import paths
from dockyard.core.console import Say

MINIMUM_API = (1, 41)
"""The oldest Docker Engine API the lessons work with: that of Docker 20.10."""


def is_new_enough(api_version: str) -> bool:
    """Whether an API version such as ``1.41`` is at least MINIMUM_API."""
    return tuple(int(part) for part in api_version.split(".")) >= MINIMUM_API


@dataclass(frozen=True)
class Need:
    """One thing a provider needs here, and whether this machine has it.

    next is the command that would supply it, when there is one. optional needs are told but
    do not rule the provider out.
    """

    name: str
    met: bool
    found: str
    next: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Endpoint:
    """How the front door reaches the daemon.

    address is ``unix:///path``, ``tcp://host:port`` (with the three files for mutual TLS) or
    ``dial-stdio:CONTEXT``, which asks the docker client of that context for a connection.
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
    """Whether the daemon belongs to the course alone, so that its settings are ours."""

    inner_mirror: ClassVar[str] = ""
    """The course registry's address for containers, where the provider itself sees to it."""

    @abstractmethod
    def needs(self) -> list[Need]:
        """What this provider would need on this machine. Changes nothing."""

    @abstractmethod
    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Endpoint:
        """Make a daemon answer and say how to reach it; reuse one that runs already.

        mirror is the URL of the course registry. install allows missing packages to be
        installed without asking. Raises EngineError or SetupError.
        """

    @abstractmethod
    def stop(self, say: Say) -> None:
        """End what start began and leave nothing behind. Does nothing when nothing runs."""

    @abstractmethod
    def endpoint(self) -> Endpoint | None:
        """How to reach the daemon that runs now, or None."""

    @property
    def bridge_gateway(self) -> str | None:
        """The address under which containers reach this host, when the provider owns it."""
        return None

    def remark(self) -> str:
        """What is worth knowing about how the engine that runs now is run; often nothing."""
        return ""

    def unmet(self) -> list[Need]:
        """The needs that rule this provider out at the moment."""
        return [need for need in self.needs() if not (need.met or need.optional)]


def free_space(folder: Path) -> int:
    """The free bytes on the disk where folder is, or would be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def disk_space(least: int, next: str) -> Need:
    """The need for least free bytes in the course's home."""
    free = free_space(paths.home())
    found = f"{free / 1e9:.1f} GB free in {paths.home()}, {least / 1e9:.1f} GB needed"
    return Need("disk space", free >= least, found, next)


def answers(path: Path, timeout: float = 5.0) -> bool:
    """Whether a daemon answers ``GET /_ping`` on a UNIX socket (Docker Engine API: SystemPing).

    timeout is in seconds. Asked without the SDK, which leaves a socket open when nobody answers.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            return connection.recv(32).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False
