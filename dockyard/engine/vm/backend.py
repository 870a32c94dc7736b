"""What a way to run the machine is; uml.py and qemu.py have them, choice.py chooses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dockyard.engine.vm.artifacts import Artefacts
from dockyard.engine.vm.suspended import Suspended

ADDRESS = "192.168.127.2::192.168.127.1:255.255.255.0:dockyard"
"""Address, gateway, mask and name of the machine, as the kernel's ``ip=`` wants them."""


@dataclass(frozen=True)
class Lan:
    """The network that machines have in common, and this one's number on it.

    folder holds the machines' sockets.
    """

    folder: Path
    number: int

    @property
    def address(self) -> str:
        """The machine's address there, with the length of its prefix."""
        return f"192.168.126.{self.number}/24"


@dataclass(frozen=True)
class Boot:
    """What one start is made of. run is this machine's folder of sockets and settings."""

    artefacts: Artefacts
    run: Path
    memory: int
    shares: Sequence[Path] = ()
    lan: Lan | None = None


@dataclass(frozen=True)
class Command:
    """A way's command line: the processor to keep it on (-1: any), words, further environment."""

    words: Sequence[str | Path]
    cable: str
    cpu: int = -1
    env: Mapping[str, str] = field(default_factory=dict)


class Backend(ABC):
    """One way to run the machine: how to find out whether it works here, and how to start it."""

    name: ClassVar[str]
    title: ClassVar[str]
    kernel: ClassVar[str]
    """The artefact it boots (image.py)."""

    has_lan: ClassVar[bool] = False
    """Whether it can have a second network."""

    start_timeout: ClassVar[float]
    """Seconds until the daemon answers at the latest, on a slow and busy host."""

    settings: ClassVar[Mapping[str, str]]
    """What guest/init must know about it."""

    @abstractmethod
    def refusal(self) -> str:
        """Try it: why it cannot work here, or an empty text.

        Takes less than two seconds where it works, up to 15 where it does not. Builds nothing
        and leaves nothing behind.
        """

    @abstractmethod
    def command(self, boot: Boot) -> Command:
        """How to start the machine."""

    @abstractmethod
    def share(self, folder: Path, number: int) -> tuple[str, str, str]:
        """Type, options and source of the mount that shows the host's folder inside.

        Folders are counted from 0, in the order of ``Boot.shares``.
        """

    @abstractmethod
    def ask_to_stop(self, run: Path) -> bool:
        """Ask the machine to end by itself. False when nobody listens."""

    rests: ClassVar[bool] = False
    """Whether a machine's state can be saved when it stops: the three below are for that."""

    def rest(self, run: Path, target: Path) -> None:
        """Save the state of a machine without running containers to target, and end it.

        Raises StateLost where that did not work; the machine goes on then.
        """
        raise NotImplementedError

    def loading(self, state: Suspended) -> Sequence[str]:
        """What to add to the command so that the machine waits with that state."""
        raise NotImplementedError

    def wake(self, run: Path, state: Suspended) -> None:
        """Let a machine that was started from a state go on, at the right time.

        Raises StateLost when it cannot.
        """
        raise NotImplementedError
