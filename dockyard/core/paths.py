"""Where things are: the checkout, the course's home and its run folder.

Standard library only, because the bootstrap imports it before any package is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

from dockyard.exceptions import UnsafeRunFolder, UsageError

CHECKOUT = Path(__file__).resolve().parents[2]
NOTEBOOKS = CHECKOUT / "notebooks"


def means(word: str, name: str) -> bool:
    """Whether a word that was typed means the notebook of this name.

    It may be the name, the notebook's file, or the number that the name begins with.
    """
    typed = Path(word).name.removesuffix(".ipynb")
    return name == typed or name.startswith(f"{typed}-")


def home() -> Path:
    """The folder that holds everything a running course keeps.

    ``$DOCKYARD_HOME`` when set, else ``.dockyard`` in the checkout. Two homes are two
    independent courses. The folder may not exist yet.
    """
    chosen = os.environ.get("DOCKYARD_HOME")
    return Path(chosen).expanduser().resolve() if chosen else CHECKOUT / ".dockyard"


def token() -> str:
    """What this home is called where a path is too long: in file names and labels."""
    return hashlib.sha256(str(home()).encode()).hexdigest()[:8]


def run_dir() -> Path:
    """The folder for sockets and pid files of this home: short, private, mode 0700.

    It is outside the home because the path of a UNIX socket has at most 107 bytes
    (unix(7)). Raises UnsafeRunFolder when somebody else owns a folder of that name.
    """
    # Not $XDG_RUNTIME_DIR or $TMPDIR: what runs would be lost to a shell that has another one,
    # and the first is removed at log-out (pam_systemd(8)), when engines go on running.
    base = "/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else tempfile.gettempdir()
    folder = Path(base, f"dockyard-{os.getuid()}-{token()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UnsafeRunFolder(folder)
    folder.chmod(0o700)
    return folder


def front_door() -> Path:
    """The socket every client of the course uses."""
    return run_dir() / "docker.sock"


def records_socket() -> Path:
    """The socket on which the front door tells what passes through it."""
    return run_dir() / "records.sock"


def docker_config(lesson: str | None = None) -> Path:
    """The Docker configuration folder (``DOCKER_CONFIG``) of the course or of one lesson.

    Raises UsageError for a name that is not a lesson's: it could lead out of the home.
    """
    if lesson and not re.fullmatch(r"[0-9A-Za-z][\w.-]*", lesson, re.ASCII):
        raise UsageError(
            f"{lesson!r} is not a lesson's name.",
            "It has letters, digits, dots and hyphens alone, and begins with a letter or a digit.",
            "A lesson begins, for example, with:  %lesson 05-registries",
        )
    return home() / "docker" / (lesson or "course")


def logs() -> Path:
    """The folder with one log file a service."""
    return home() / "logs"
