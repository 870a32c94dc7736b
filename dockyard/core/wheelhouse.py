"""The wheels of the guestbook, as files in the store: lessons and labs need no network for them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dockyard.core import download, paths, python_packages, shared_store
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.exceptions import InstallFailed

SOURCE = paths.NOTEBOOKS / "guestbook"
REQUIREMENTS = SOURCE / "requirements.txt"
PYTHON = "3.13"
"""The version in the image python:3.13-slim."""

PLATFORMS = (
    ("manylinux2014_x86_64", "manylinux_2_28_x86_64"),
    ("manylinux2014_aarch64", "manylinux_2_28_aarch64"),
)
"""The machines of engines, each by the tags that its wheels can have (PEP 600)."""

PACKAGE = re.compile(r"^([a-z0-9._-]+)==", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def folder() -> Path:
    """Where the wheels are, for ``pip install --no-index --find-links``."""
    return paths.store() / "wheels"


def is_complete() -> bool:
    """Whether every package is there for both machines, with the contents the requirements name."""
    text = REQUIREMENTS.read_text()
    known = set(HASH.findall(text))
    whole = [file.name for file in folder().glob("*.whl") if download.sha256_of(file) in known]
    return all(
        any(_is_wheel_of(package, tags, name) for name in whole)
        for package in PACKAGE.findall(text)
        for tags in PLATFORMS
    )


def _is_wheel_of(package: str, tags: tuple[str, ...], name: str) -> bool:
    project = name.partition("-")[0].replace("_", "-").lower()
    return project == package.replace("_", "-") and (
        name.endswith("-any.whl") or any(tag in name for tag in tags)
    )


def fetch(say: Say) -> Path:
    """Download the wheels that are missing or damaged, and remove others; return their folder.

    pip verifies each by its hash. Similar to ``pip download --only-binary=:all: --require-hashes
    -r requirements.txt``. Raises InstallFailed or Busy.
    """
    with Lock("wheels", timeout=300):
        if is_complete():
            return folder()
        shared_store.require_writable("A wheel of the guestbook")
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=paths.store(), prefix=".wheels-") as scratch:
            for tags in PLATFORMS:
                _download(tags, Path(scratch))
            keep = {file.name for file in Path(scratch).iterdir()}
            for file in Path(scratch).iterdir():
                file.replace(folder() / file.name)
        for file in folder().iterdir():
            if file.name not in keep:
                file.unlink()
        say(f"downloaded {len(keep)} wheels of the guestbook")
    return folder()


def copy_guestbook(target: Path) -> None:
    """Copy the guestbook to a new folder, with its wheels in the folder ``wheels`` in it.

    Downloads the wheels if need be. Raises InstallFailed or Busy.
    """
    wheels = folder() if is_complete() else fetch(print)
    shutil.copytree(SOURCE, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copytree(wheels, target / "wheels")


def _download(tags: tuple[str, ...], target: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            "--retries=1",
            *("--only-binary=:all:", "--require-hashes", "--no-deps"),
            *("--implementation=cp", f"--python-version={PYTHON}"),
            *(f"--platform={tag}" for tag in tags),
            *(f"--dest={target}", f"--requirement={REQUIREMENTS}"),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        raise InstallFailed(
            "The wheels of the guestbook could not be downloaded.",
            python_packages.complaint(done.stderr),
            "Check the network and the free disk space, then:  python3 -m dockyard registry fill",
        )
