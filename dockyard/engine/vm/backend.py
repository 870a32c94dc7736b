"""The interface of a backend: one way to run the machine.

uml.py and qemu.py implement it, selection.py chooses one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dockyard.engine.vm.artifacts import Artifacts

ADDRESS = "192.168.127.2::192.168.127.1:255.255.255.0:dockyard"
"""Address, gateway, mask and name of the machine, in the format of the kernel's ``ip=``."""


@dataclass(frozen=True)
class Lan:
    """The network that connects several machines, and this machine's number on it.

    folder holds the machines' sockets.
    """

    folder: Path
    number: int

    @property
    def address(self) -> str:
        """The machine's address on it, with the prefix length."""
        return f"192.168.126.{self.number}/24"


@dataclass(frozen=True)
class Boot:
    """What one start needs. run is the machine's folder of sockets and settings."""

    artifacts: Artifacts
    run: Path
    memory: int
    """In bytes."""

    shares: Sequence[Path] = ()
    lan: Lan | None = None


@dataclass(frozen=True)
class Command:
    """How to start a backend's process."""

    words: Sequence[str | Path]
    cable: str
    """The socket of the virtual network cable, or ``-`` for file descriptor 3 (guest/network.c)."""

    cpu: int = -1
    """The CPU it stays on; -1 for any."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Additional environment variables."""

    console: Path | None = None
    """The socket of its management console, through which it gives memory back; None for none."""


class Backend(ABC):
    """One way to run the machine: finds out whether it works here, and how to start it."""

    name: ClassVar[str]
    title: ClassVar[str]
    kernel: ClassVar[str]
    """The artifact that it boots (artifacts.py)."""

    has_lan: ClassVar[bool] = False
    """Whether it supports a second network."""

    start_timeout: ClassVar[float]
    """Seconds until the daemon must answer, on a slow and busy host."""

    settings: ClassVar[Mapping[str, str]]
    """The backend's settings for guest/init."""

    @abstractmethod
    def problem(self) -> str:
        """Try it: the reason why it cannot work here, or an empty string.

        Takes less than two seconds when it works, up to 15 when it does not. Builds nothing and
        leaves nothing behind.
        """

    @abstractmethod
    def command(self, boot: Boot) -> Command:
        """How to start the machine."""

    @abstractmethod
    def share(self, folder: Path, number: int) -> tuple[str, str, str]:
        """Type, options and source of the mount that shows a folder of the host inside.

        number is the folder's index in ``Boot.shares``.
        """

    @abstractmethod
    def request_shutdown(self, run: Path) -> bool:
        """Ask the machine to shut down. Returns False when it does not listen."""
