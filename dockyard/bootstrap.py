"""From a fresh clone to an environment in which the course can run. Standard library only.

Two steps, because the second may overlap with starting an engine: ``ensure_core`` makes .venv
with the few packages the commands themselves need, ``ensure_all`` installs the rest of
requirements.txt. Both do nothing when it is done already.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

from dockyard import paths
from dockyard.exceptions import DockyardError, InstallFailed, UnwritableFolder

VENV = paths.CHECKOUT / ".venv"
REQUIREMENTS = paths.CHECKOUT / "requirements.txt"
CORE = ("docker", "h11", "psutil", "qemu.qmp", "requests")
"""What dockyard's own commands import."""


def main(arguments: list[str]) -> int:
    """Run the command line in an environment that has what it imports."""
    try:
        # The pins of this very interpreter count: Binder and containers bring them along.
        if not _installed(_pins(CORE)):
            # Reading what .venv holds takes a millisecond; asking pip would take two seconds.
            if not (_has_pip() and _installed(_pins(CORE), _site_packages())):
                ensure_core()
            if not _inside_venv():
                return _again(arguments)
        from dockyard.cli import main as commands
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return commands(arguments)


def _again(arguments: list[str]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    python = str(_python())
    environment = {**os.environ, "PYTHONPATH": str(paths.CHECKOUT)}
    os.execve(python, [python, "-m", "dockyard", *arguments], environment)
    raise AssertionError("execve does not return")


def _python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _inside_venv() -> bool:
    return Path(sys.prefix).resolve() == VENV.resolve()


def _pins(names: tuple[str, ...] | None = None) -> list[str]:
    """The lines ``name==version`` of requirements.txt, all or those of the given names."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines())
    return [line for line in lines if line and (names is None or line.partition("==")[0] in names)]


def _site_packages() -> list[str]:
    return [str(folder) for folder in VENV.glob("lib/python*/site-packages")]


def _installed(pins: list[str], where: list[str] | None = None) -> bool:
    """Whether these versions are in the folders ``where``, by default this interpreter's own."""
    for pin in pins:
        name, _, version = pin.partition("==")
        path = sys.path if where is None else where
        found = next(iter(importlib.metadata.distributions(name=name, path=path)), None)
        if found is None or found.version != version:
            return False
    return True


def ensure_core() -> None:
    """Make .venv with the packages of CORE. Raises UnwritableFolder or InstallFailed."""
    if not _has_pip():
        if not os.access(paths.CHECKOUT, os.W_OK):
            raise UnwritableFolder(
                paths.CHECKOUT,
                "The course makes its Python environment, .venv, in its own folder.",
                f"Clone it into a folder of yours:  git clone {paths.CHECKOUT} ~/dockyard",
            )
        print("making the virtual environment .venv", file=sys.stderr)
        # What an attempt that failed has left would keep every later one from working.
        _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "The virtual environment")
    _run([*_pip(), "install", *_pins(CORE)], "Installing the first packages")
    _make_importable()


def _has_pip() -> bool:
    """Whether .venv is whole: making it ends with pip, and pip's own files with INSTALLER."""
    if not _python().exists():
        return False
    written = VENV.glob("lib/python*/site-packages/pip-*.dist-info/INSTALLER")
    return any(file.stat().st_size for file in written)


def _make_importable() -> None:
    # For a kernel of .venv in an editor that knows nothing of the command line (site(3)).
    for folder in VENV.glob("lib/python*/site-packages"):
        (folder / "dockyard.pth").write_text(f"{paths.CHECKOUT}\n")


def ensure_all(say=lambda text: print(text, file=sys.stderr)) -> None:
    """Install what requirements.txt lists into the current environment, once a version of it.

    Raises InstallFailed.
    """
    pins = _pins()
    if _installed(pins):
        return
    say(f"installing {len(pins)} Python packages (about a minute the first time)")
    _run([sys.executable, *_pip()[1:], "install", "-r", str(REQUIREMENTS)], "Installing packages")
    say("Python packages are ready")


def _pip() -> list[str]:
    return [str(_python()), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]


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
