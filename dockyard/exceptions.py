"""The exceptions of Dockyard.

Each has a message of three lines: what failed, why if that is known, and what to type next.

    DockyardError                    exit code 1
    ├── SetupError                   the course cannot be set up on this computer
    │   ├── UnwritableFolder
    │   ├── UnsafeRunFolder
    │   ├── StoreIncomplete
    │   └── InstallFailed
    ├── EngineError                  no daemon, or not a suitable one
    │   ├── EngineNotRunning
    │   ├── EngineUnavailable
    │   ├── EnginePermissionDenied
    │   ├── EngineTooOld
    │   ├── EngineStartFailed
    │   ├── EngineStartTimeout
    │   └── SocketInUse              the front door's socket
    ├── InvalidDataFile              a TOML file of the course
    ├── RegistryError                the course registry
    ├── JupyterLabEnded
    ├── MeasurementFailed
    ├── Busy                         another command holds a lock
    ├── SharingFailed                the teacher cannot be reached
    ├── SceneFailed                  the commands that prepare a lab
    ├── PortInUse
    ├── DiskFull
    ├── UnexpectedFailure            of the system, the network or the daemon
    └── UsageError                   exit code 2

Standard library only: the bootstrap imports this before any package is installed.
"""

from __future__ import annotations


class DockyardError(Exception):
    """Base class of all errors that are shown to a learner.

    what is one line; why and next may be empty. ``str()`` returns the message of up to three
    lines.
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
        """The lines that a notebook shows instead of a traceback (an IPython protocol)."""
        return str(self).splitlines()


class UsageError(DockyardError):
    """A command, magic or function was called with wrong arguments."""

    exit_code = 2


class UnexpectedFailure(DockyardError):
    """An error of the system, the network or the daemon that a command does not handle."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "The command could not be carried out.",
            f"{type(error).__name__}: {error}",
            "Check whether the engine still runs:  python3 -m dockyard engine status",
        )


class SetupError(DockyardError):
    """The course cannot be set up on this computer."""


class StoreIncomplete(SetupError):
    """Something is missing in a store that this user may only read."""

    def __init__(self, what: str, store: object) -> None:
        super().__init__(
            f"{what} is missing in the shared store {store}.",
            "You may read the store, but not add to it.",
            "Whoever looks after it runs:  "
            f"DOCKYARD_STORE={store} python3 -m dockyard registry fill",
        )


class UnwritableFolder(SetupError):
    """A folder that the course has to write to is not writable."""

    def __init__(self, folder: object, why: str = "", next: str = "") -> None:
        self.folder = folder
        super().__init__(
            f"The folder {folder} cannot be written.",
            why or "It is read-only, or belongs to another user.",
            next
            or "Choose another folder for the course's files:  "
            "DOCKYARD_HOME=~/dockyard-home python3 -m dockyard learn",
        )


class UnsafeRunFolder(SetupError):
    """The path of the run folder belongs to another user, or is not a folder."""

    def __init__(self, folder: object) -> None:
        self.folder = folder
        super().__init__(
            f"{folder} is not a folder of yours.",
            "The daemon's socket is created there, and other users must not be able to reach it.",
            "Use another home, whose folder has another name:  "
            "DOCKYARD_HOME=~/dockyard-home python3 -m dockyard learn",
        )


class InstallFailed(SetupError):
    """Programs could not be fetched."""


class EngineError(DockyardError):
    """There is no daemon, or not a suitable one."""


class EngineNotRunning(EngineError):
    """The course's engine is not running."""

    def __init__(self, why: str = "") -> None:
        super().__init__(
            "The course's Docker engine is not running.",
            why,
            "Start it:  python3 -m dockyard engine start",
        )


class EngineUnavailable(EngineError):
    """An engine cannot run on this computer."""


class EnginePermissionDenied(EngineError):
    """The daemon's socket exists, but this user may not connect to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"Permission denied on {address}.",
            "The daemon's socket belongs to root and the group 'docker'. Membership in that "
            "group is as powerful as being root.",
            "Join the group, then log out and in again:  sudo usermod -aG docker $USER\n"
            "Or let the course start a daemon:  "
            "python3 -m dockyard learn --engine embedded",
        )


class SocketInUse(EngineError):
    """Another process already listens on the front door's socket."""

    def __init__(self, path: object) -> None:
        self.path = path
        super().__init__(
            f"Another process already listens on {path}.",
            "It may be this course's front door, started earlier.",
            "Check:  python3 -m dockyard engine status",
        )


class EngineTooOld(EngineError):
    """The daemon's API version is older than the lessons need."""


class EngineStartFailed(EngineError):
    """The daemon exited while it was starting."""


class EngineStartTimeout(EngineError):
    """The daemon did not answer before the deadline."""


class InvalidDataFile(DockyardError):
    """A data file of the course is not TOML, or does not have the keys that it must have."""

    def __init__(self, file: object, why: str, next: str) -> None:
        self.file = file
        super().__init__(f"{file} is not valid.", why, next)


class RegistryError(DockyardError):
    """The course registry, or filling it, failed."""


class JupyterLabEnded(DockyardError):
    """JupyterLab ended although nobody shut it down."""

    def __init__(self, how: str, why: str = "") -> None:
        super().__init__(
            f"JupyterLab has ended unexpectedly: {how}.",
            why or "What was saved is kept. If it was killed, the computer may be short of memory.",
            "Open the course again:  python3 -m dockyard learn",
        )


class MeasurementFailed(DockyardError):
    """A measured command failed or did not print a number."""

    def __init__(self, command: str, why: str) -> None:
        self.command = command
        super().__init__(
            "A command could not be measured.",
            why,
            f"Run it on its own and read its output:  {command}",
        )


class Busy(DockyardError):
    """Another command of the course held a lock until the timeout."""

    def __init__(self, lock: object, seconds: float) -> None:
        self.lock = lock
        super().__init__(
            f"Another command of the course has been busy for {seconds:g} seconds.",
            f"It holds {lock}.",
            "Wait for that command or stop it, then run this again.",
        )


class SharingFailed(DockyardError):
    """What a learner shares could not be sent to the teacher, or not be taken back."""

    def __init__(self, address: object, why: str) -> None:
        self.address = address
        super().__init__(
            f"The classroom at {address} could not be reached.",
            why,
            "It is tried again by itself. If this stays, tell your teacher.",
        )


class SceneFailed(DockyardError):
    """The commands that prepare a lab failed."""


class PortInUse(DockyardError):
    """A requested port is in use."""

    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__(
            f"Port {port} is already in use.",
            "Another program listens there.",
            "Leave --port out to get a free port, or choose another one.",
        )


class DiskFull(DockyardError):
    """There is not enough free disk space."""
