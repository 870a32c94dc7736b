"""The state of the set-up, in a small file of the home: what is being done, and how it ended.

    {"line": "unpacking Docker", "finished": false, "failure": null}
    {"line": …, "finished": false, "failure": ["No engine …", "why", "what to type next"]}

A process that sets up holds a lock, so that others know whether it is still there.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from dockyard.core import full_disk, paths, whole_file
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.exceptions import DockyardError

LOCK = "setup"


class SetupState(msgspec.Struct, frozen=True):
    """What the last set-up did or does."""

    line: str = ""
    finished: bool = False
    failure: tuple[str, str, str] | None = None
    """The three lines of its error: what, why, next."""

    @classmethod
    def load(cls) -> SetupState:
        """The state in the file; an empty one when there is none."""
        try:
            return msgspec.json.decode(_file().read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError, RecursionError):
            return cls()

    def save(self) -> None:
        """Replace the file as a whole; a disk that is full must not end the set-up."""
        with suppress(OSError):
            whole_file.write(_file(), msgspec.json.encode(self))


def _file() -> Path:
    return paths.home() / "setup.json"


@contextmanager
def recording(say: Say) -> Iterator[Say]:
    """Record a set-up: each line said, and at the end its error if it failed.

    A second set-up waits for the first one, up to half an hour. Raises Busy.
    """

    def recorded(line: str) -> None:
        SetupState(line).save()
        say(line)

    with Lock(LOCK, timeout=1800):
        SetupState().save()
        try:
            yield recorded
        except DockyardError as error:
            SetupState(failure=(error.what, error.why, error.next)).save()
            raise
        except OSError as error:
            again = "Try again:  python3 -m dockyard engine start"
            if full := full_disk.explain(error):
                SetupState(failure=(full.what, f"{full.why} {full.next}", again)).save()
                raise full from None
            why = f"{type(error).__name__}: {error}"
            SetupState(failure=("Docker could not be set up.", why, again)).save()
            raise
        SetupState(finished=True).save()


def is_running() -> bool:
    """Whether a process is setting up now."""
    file = Lock(LOCK).path
    with suppress(OSError), file.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
