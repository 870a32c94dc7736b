"""Paths of the checkout, the course's home and its run folder.

Standard library only: the bootstrap imports this before any package is installed.
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
    """Whether a word typed by a person refers to the notebook called name.

    The word can be the name, the notebook's path, or the number at the start of the name.
    """
    typed = Path(word).name.removesuffix(".ipynb")
    return name == typed or name.startswith(f"{typed}-")


def home() -> Path:
    """The folder with all data of one course; it may not exist yet.

    ``$DOCKYARD_HOME`` when set, else ``.dockyard`` in the checkout. Two homes are two
    independent courses.
    """
    chosen = os.environ.get("DOCKYARD_HOME")
    return Path(chosen).expanduser().resolve() if chosen else CHECKOUT / ".dockyard"


def store() -> Path:
    """The folder with what the course fetches or makes: programs, images, wheels.

    ``$DOCKYARD_STORE`` when set, for several homes of one computer; else the home.
    """
    chosen = os.environ.get("DOCKYARD_STORE")
    return Path(chosen).expanduser().resolve() if chosen else home()


def learner_copy() -> Path:
    """The folder with the learner's own copy of the notebooks; it may not exist yet.

    ``my-course`` in the checkout, or in the home when ``$DOCKYARD_HOME`` chooses another one.
    """
    # In the checkout where it is easy to find; with another home the checkout may be read-only.
    return (CHECKOUT if home() == CHECKOUT / ".dockyard" else home()) / "my-course"


def token(of: Path | None = None) -> str:
    """Eight hex digits that stand for a home, by default this one, in file names and labels."""
    return hashlib.sha256(str(of or home()).encode()).hexdigest()[:8]


def run_base() -> Path:
    """The folder that holds the run folders of all homes."""
    # Not $XDG_RUNTIME_DIR or $TMPDIR: a shell with another value would not find the running
    # course, and the former is removed at log-out (pam_systemd(8)) while engines keep running.
    return Path("/tmp" if os.access("/tmp", os.W_OK | os.X_OK) else tempfile.gettempdir())


def run_dir(of: Path | None = None) -> Path:
    """The folder for the sockets and pid files of a home, by default this one.

    It is created with mode 0700, outside the home, because the path of a UNIX socket has at most
    107 bytes (unix(7)). The link ``home`` in it leads to the home. Raises UnsafeRunFolder when the
    path is not a folder of this user.
    """
    folder = Path(run_base(), f"dockyard-{os.getuid()}-{token(of)}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        (folder / "home").symlink_to(of or home())
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UnsafeRunFolder(folder)
    folder.chmod(0o700)
    return folder


def front_door() -> Path:
    """The socket that all clients of the course connect to."""
    return run_dir() / "docker.sock"


def records_socket() -> Path:
    """The socket on which the front door reports the requests that pass through it."""
    return run_dir() / "records.sock"


def docker_config(lesson: str | None = None) -> Path:
    """The Docker configuration folder (``DOCKER_CONFIG``) of the course or of one lesson.

    Raises UsageError for an invalid lesson name, which could lead out of the home.
    """
    if lesson and not re.fullmatch(r"[0-9A-Za-z][\w.-]*", lesson, re.ASCII):
        raise UsageError(
            f"{lesson!r} is not a lesson's name.",
            "A name has only letters, digits, dots, hyphens and underscores, and begins with a "
            "letter or a digit.",
            "For example:  %lesson 08-registries",
        )
    return home() / "docker" / (lesson or "course")


def jupyter() -> Path:
    """The folder with everything that the course's Jupyter reads and writes for itself."""
    return home() / "jupyter"


def logs() -> Path:
    """The folder with one log file for each service."""
    return home() / "logs"
