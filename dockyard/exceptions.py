"""The errors of Dockyard.

Each says in three lines what failed, why if that is known, and what to type next.

    DockyardError                    exit code 1
    ├── SetupError                   the course cannot be set up on this machine
    │   ├── UnwritableFolder
    │   ├── UnsafeRunFolder
    │   ├── InstallRefused
    │   └── InstallFailed
    ├── EngineError                  no daemon, or not the one that is needed
    │   ├── EngineNotRunning
    │   ├── EngineUnavailable
    │   ├── EnginePermissionDenied
    │   ├── EngineTooOld
    │   ├── EngineStartFailed
    │   ├── EngineStartTimeout
    │   ├── SocketInUse              the front door's
    │   └── StateLost                a machine's saved state
    ├── RegistryError                the course registry
    ├── MeasurementFailed            a command that is measured
    ├── Busy                         another command holds what this one needs
    ├── SceneFailed                  a lab's scene
    ├── PortInUse
    ├── DiskFull
    ├── Unforeseen                   the system, the network or the daemon let a command down
    └── UsageError                   exit code 2

Standard library only, because the bootstrap imports it before any package is installed.
"""

from __future__ import annotations


class DockyardError(Exception):
    """Something asked for failed.

    what is one line; why and next may be empty. ``str()`` gives the three lines shown to a
    learner.
    """

    exit_code = 1

    def __init__(self, what: str, why: str = "", next: str = "") -> None:
        self.what = what
        self.why = why
        self.next = next
        super().__init__(what)

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.why, self.next) if line)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback (an IPython protocol)."""
        return str(self).splitlines()


class UsageError(DockyardError):
    """The command was typed wrongly."""

    exit_code = 2


class Unforeseen(DockyardError):
    """The system, the network or the daemon failed where a command does not expect it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "The command could not be carried out.",
            f"{type(error).__name__}: {error}",
            "See whether the engine still runs:  python3 -m dockyard engine status",
        )


class SetupError(DockyardError):
    """The course cannot be set up on this machine."""


class UnwritableFolder(SetupError):
    """A folder that must be written is read-only."""

    def __init__(self, folder: object, why: str = "", next: str = "") -> None:
        self.folder = folder
        super().__init__(
            f"The folder {folder} cannot be written.",
            why or "It is read-only, or belongs to another user.",
            next
            or "Choose another place for the course's files:  "
            "DOCKYARD_HOME=~/dockyard-home python3 -m dockyard learn",
        )


class UnsafeRunFolder(SetupError):
    """The folder for the sockets is somebody else's, or no folder."""

    def __init__(self, folder: object) -> None:
        self.folder = folder
        super().__init__(
            f"{folder} is not a folder of yours.",
            "The daemon's socket is put there, and must not be reachable by others.",
            "Another home has a folder of another name:  "
            "DOCKYARD_HOME=~/dockyard-home python3 -m dockyard learn",
        )


class InstallRefused(SetupError):
    """The learner did not agree to install packages."""


class InstallFailed(SetupError):
    """A package manager failed."""


class EngineError(DockyardError):
    """No daemon, or not the one that is needed."""


class EngineNotRunning(EngineError):
    """The course's engine has not been started."""

    def __init__(self, why: str = "") -> None:
        super().__init__(
            "The course's Docker engine is not running.",
            why,
            "Start it:  python3 -m dockyard engine start",
        )


class EngineUnavailable(EngineError):
    """This provider cannot work on this machine."""


class EnginePermissionDenied(EngineError):
    """The socket exists, but this user may not open it."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"Permission denied on {address}.",
            "The daemon's socket belongs to root and the group 'docker'. Membership in that "
            "group is as powerful as being root.",
            "Join it and log out and in again:  sudo usermod -aG docker $USER\n"
            "Or use an engine of the course's own:  "
            "python3 -m dockyard learn --engine embedded",
        )


class SocketInUse(EngineError):
    """Another process answers on the socket that the front door was to open."""

    def __init__(self, path: object) -> None:
        self.path = path
        super().__init__(
            f"Another process already listens on {path}.",
            "It may be this course's front door, started earlier.",
            "Look:  python3 -m dockyard engine status",
        )


class StateLost(EngineError):
    """A machine's state could not be saved or loaded; it can still be booted."""


class EngineTooOld(EngineError):
    """The daemon's API is older than the course needs."""


class EngineStartFailed(EngineError):
    """The daemon ended instead of starting."""


class EngineStartTimeout(EngineError):
    """The daemon did not answer in time."""


class RegistryError(DockyardError):
    """The course registry failed."""


class MeasurementFailed(DockyardError):
    """A command that was to be measured failed, or printed something else than a number."""

    def __init__(self, command: str, why: str) -> None:
        self.command = command
        super().__init__(
            "A command could not be measured.",
            why,
            f"Run it by itself and read what it says:  {command}",
        )


class Busy(DockyardError):
    """Another command of the course holds a lock for longer than this one waits."""

    def __init__(self, lock: object, seconds: float) -> None:
        self.lock = lock
        super().__init__(
            f"Another command of the course has been busy for {seconds:g} seconds.",
            f"It holds {lock}.",
            "Wait for it, or end that command, then run this again.",
        )


class SceneFailed(DockyardError):
    """The commands that set a lab's scene failed."""


class PortInUse(DockyardError):
    """A port that was asked for is taken."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(
            f"Port {port} is already in use.",
            "Another program listens there.",
            "Let the system choose a free one (leave --port out), or name another.",
        )


class DiskFull(DockyardError):
    """There is not enough free space."""
