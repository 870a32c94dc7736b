"""The course's Python packages: .venv and what requirements.txt lists. Standard library only.

Installed in two steps, because the second can overlap with starting an engine: ``ensure_core``
makes .venv with the few packages that the commands import, ``ensure_all`` installs the rest.
Neither does anything when its packages are there.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

from dockyard.core import paths
from dockyard.core.console import Say, say
from dockyard.exceptions import InstallFailed, UnwritableFolder

VENV = paths.CHECKOUT / ".venv"
REQUIREMENTS = paths.CHECKOUT / "requirements.txt"
CORE = ("docker", "h11", "psutil", "qemu.qmp", "requests")
"""What the commands of ``python3 -m dockyard`` import."""


def python() -> Path:
    """The interpreter of .venv, which may not exist yet."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def inside_venv() -> bool:
    """Whether this process runs in .venv."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def pins(names: tuple[str, ...] | None = None) -> list[str]:
    """The lines ``name==version`` of requirements.txt, all or those of the given names."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines())
    return [line for line in lines if line and (names is None or line.partition("==")[0] in names)]


def _site_packages() -> list[str]:
    return [str(folder) for folder in VENV.glob("lib/python*/site-packages")]


def are_installed(wanted: list[str], where: list[str] | None = None) -> bool:
    """Whether these versions are in the folders ``where``, by default this interpreter's own."""
    for pin in wanted:
        name, _, version = pin.partition("==")
        path = sys.path if where is None else where
        found = next(iter(importlib.metadata.distributions(name=name, path=path)), None)
        if found is None or found.version != version:
            return False
    return True


def has_core() -> bool:
    """Whether this interpreter has the packages of CORE, in the versions that are pinned."""
    return are_installed(pins(CORE))


def ensure_core() -> None:
    """Make .venv with the packages of CORE, unless it has them.

    Reading what is installed takes a millisecond, asking pip two seconds. Raises
    UnwritableFolder or InstallFailed.
    """
    whole = _has_pip()
    if whole and are_installed(pins(CORE), _site_packages()):
        return
    if not whole:
        if not os.access(paths.CHECKOUT, os.W_OK):
            raise UnwritableFolder(
                paths.CHECKOUT,
                "The course makes its Python environment, .venv, in its own folder.",
                f"Clone it into a folder of yours:  git clone {paths.CHECKOUT} ~/dockyard",
            )
        print("making the virtual environment .venv", file=sys.stderr)
        # What an attempt that failed has left would keep every later one from working.
        _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "The virtual environment")
    _run([*_pip(), "install", *pins(CORE)], "Installing the first packages")
    _make_importable()


def _has_pip() -> bool:
    """Whether .venv is whole: making it ends with pip, and pip's own files with INSTALLER."""
    if not python().exists():
        return False
    written = VENV.glob("lib/python*/site-packages/pip-*.dist-info/INSTALLER")
    return any(file.stat().st_size for file in written)


def _make_importable() -> None:
    # For a kernel of .venv in an editor that knows nothing of the command line (site(3)).
    for folder in VENV.glob("lib/python*/site-packages"):
        (folder / "dockyard.pth").write_text(f"{paths.CHECKOUT}\n")


def ensure_all(say: Say = say) -> None:
    """Install what requirements.txt lists into the current environment, once a version of it.

    Raises InstallFailed.
    """
    wanted = pins()
    if are_installed(wanted):
        return
    say(f"installing {len(wanted)} Python packages (about a minute the first time)")
    _run([sys.executable, *_pip()[1:], "install", "-r", str(REQUIREMENTS)], "Installing packages")
    say("Python packages are ready")


def _pip() -> list[str]:
    return [str(python()), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.strip().splitlines()[-4:])
        hint = "Check the network and the free space on the disk, then run this again."
        if "ensurepip" in done.stdout:
            hint = "Install the package that makes them:  sudo apt-get install python3-venv"
        raise InstallFailed(f"{what} failed.", last, hint)
