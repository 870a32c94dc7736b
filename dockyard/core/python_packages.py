"""Installs the locked Python packages into .venv. Standard library only.

requirements.txt locks what the course needs, requirements-test.txt adds the tools of ``test``,
requirements-classroom.txt adds JupyterHub.
Looking whether a lock is installed reads folder names and starts no process.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from dockyard.core import paths
from dockyard.core.console import say
from dockyard.exceptions import InstallFailed, UnwritableFolder

VENV = paths.CHECKOUT / ".venv"
LOCK = paths.CHECKOUT / "requirements.txt"
TEST_LOCK = paths.CHECKOUT / "requirements-test.txt"
"""Everything in LOCK and the packages of the extra ``test``."""
CLASSROOM_LOCK = paths.CHECKOUT / "requirements-classroom.txt"
"""Everything in LOCK and the packages of the extra ``classroom``."""


def python() -> Path:
    """The interpreter of .venv, which may not exist yet."""
    return VENV / "bin" / "python"


def inside_venv() -> bool:
    """Whether this process runs in .venv."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def are_ready(lock: Path = LOCK) -> bool:
    """Whether this interpreter has every package of a lock."""
    return _are_installed(lock, (Path(folder) for folder in sys.path))


def ensure_venv(lock: Path = LOCK) -> None:
    """Make .venv with the packages of a lock, unless it has them.

    Two calls at once wait for each other. Raises UnwritableFolder or InstallFailed.
    """
    with _only_one_at_a_time():
        whole = _has_pip()
        if whole and _are_installed(lock, _site_packages()):
            return
        if not os.access(paths.CHECKOUT, os.W_OK):
            raise UnwritableFolder(
                paths.CHECKOUT,
                "The course makes its Python environment, .venv, in its own folder.",
                f"Clone it into a folder of yours:  git clone {paths.CHECKOUT} ~/dockyard",
            )
        if not whole:
            say("making the virtual environment .venv")
            # --clear, because pip cannot repair what an interrupted attempt left behind.
            _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "Making .venv")
        # Kernels import the course, too. Unlike the path that an editable install writes, a
        # relative one (site module) stays right when the checkout is moved or mounted elsewhere.
        for folder in _site_packages():
            (folder / "dockyard.pth").write_text(os.path.relpath(paths.CHECKOUT, folder))
        _install(python(), lock)


def ensure_test() -> None:
    """Install the packages of ``test`` for this interpreter. Raises InstallFailed."""
    if not are_ready(TEST_LOCK):
        _install(Path(sys.executable), TEST_LOCK)


def pins(lock: Path = LOCK, *, everywhere: bool = False) -> dict[str, str]:
    """The names of a lock with their versions.

    everywhere leaves out what only some platforms need: those lines have a marker (PEP 508),
    which the standard library cannot evaluate.
    """
    found = {}
    for line in lock.read_text().splitlines():
        requirement, _, marker = line.partition("#")[0].partition(";")
        if requirement.strip() and not (everywhere and marker):
            name, _, version = requirement.strip().partition("==")
            found[name] = version
    return found


def _are_installed(lock: Path, folders: Iterable[Path]) -> bool:
    # By the names of folders alone: importlib.metadata takes a tenth of a second for as many.
    found: dict[str, str] = {}
    for folder in folders:
        for info in folder.glob("*.dist-info"):
            name, _, version = info.stem.partition("-")
            # pip and uv write INSTALLER after the package's own files (PEP 376).
            if (info / "INSTALLER").exists():
                found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return pins(lock, everywhere=True).items() <= found.items()


def _site_packages() -> list[Path]:
    return list(VENV.glob("lib/python*/site-packages"))


def _has_pip() -> bool:
    """Whether making .venv was finished: installing pip is its last step."""
    return os.access(python(), os.X_OK) and any(
        file.stat().st_size
        for folder in _site_packages()
        for file in folder.glob("pip-*.dist-info/INSTALLER")
    )


@contextlib.contextmanager
def _only_one_at_a_time() -> Iterator[None]:
    descriptor = os.open(paths.CHECKOUT, os.O_RDONLY)
    try:
        # NFS locks no folder, and no file that is only open for reading.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _install(interpreter: Path, lock: Path) -> None:
    """Install a lock with uv, which takes seconds, else with pip, which takes a minute."""
    say(f"installing the Python packages of {lock.name}")
    words = ["install", "--quiet", "--requirement", str(lock)]
    pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    uv = f"uv=={pins(TEST_LOCK)['uv']}"
    try:
        # Where PyPI has no wheel of uv, building it would take longer than pip takes for all.
        _run([*pip, "install", "--quiet", "--only-binary=uv", "--retries=1", uv])
        _run([str(interpreter), "-m", "uv", "pip", *words, f"--python={interpreter}"])
    except InstallFailed:
        # uv does not read pip's settings: pip alone may know this network's mirror of PyPI.
        _run([*pip, *words])
    importlib.invalidate_caches()


def _run(command: list[str], what: str = "Installing Python packages") -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        again = f"run this again:  python3 -m dockyard {shlex.join(sys.argv[1:])}"
        proxied = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY")
        proxy = ", the proxy in https_proxy" if proxied else ""
        hint = f"Check the network{proxy} and the free space on the disk, then {again}"
        if "ensurepip" in done.stdout:
            hint = "Install the package that makes them:  sudo apt-get install python3-venv"
        raise InstallFailed(f"{what} failed.", complaint(done.stdout), hint)


def complaint(output: str) -> str:
    """What the output of pip says of a failure."""
    if broken := re.findall(r"connection broken by '(.*)': /", output):
        # pip's own error says only that it found no such package.
        return "PyPI cannot be reached: " + re.sub(r"<[^>]*>:? ?", "", broken[-1])
    lines = [line.strip() for line in output.splitlines()]
    return "\n".join(([line for line in lines if line.startswith("ERROR:")] or lines)[-4:])
