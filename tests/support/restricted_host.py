"""Runs the command line under restrictions: as another user, without network, read-only.

All restrictions exist only in the command's own namespaces (unshare(1)), so the machine stays
unchanged.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dockyard.core import paths
from tests.support import run_folders

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="changes mounts and users; run it as root:  sudo python3 -m dockyard test",
)
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
"""Put before a command to run it as an unprivileged user."""


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that all users can read, unlike pytest's tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="dockyard-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        run_folders.remove(folder)


def run(
    *words: str,
    folder: Path,
    checkout: Path = paths.CHECKOUT,
    python: str | None = None,
    before: str = "",
    user: tuple[str, ...] = (),
    network: bool = True,
    options: str = "bind",
    timeout: float = 180,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m dockyard WORDS`` with the checkout mounted at folder/course.

    before is shell code that runs first, as root in the new namespace; options are the mount's;
    timeout is in seconds.
    """
    seen = folder / "course"
    seen.mkdir(exist_ok=True)
    interpreter = Path(python or sys.executable)
    if interpreter.is_relative_to(checkout):
        interpreter = seen / interpreter.relative_to(checkout)
    script = f"""
        mount --bind "{checkout}" "{seen}"
        mount -o remount,{options} "{seen}"
        {"" if network else "ip link set lo up"}
        {before}
        cd "{seen}"
        exec "$@"
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKYARD_HOME", "XDG_RUNTIME_DIR")
        # Another user cannot write the coverage data.
        and not name.startswith("COVERAGE_")
    }
    return subprocess.run(
        [
            "unshare", "--mount", "--propagation=private", *([] if network else ["--net"]),
            "sh", "-ec", script, "sh",
            *user, str(interpreter), "-m", "dockyard", *words,
        ],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False,
        env=environment | {"PYTHONPATH": str(seen), "PYTHONDONTWRITEBYTECODE": "1"} | variables,
    )  # fmt: skip


def is_clear(done: subprocess.CompletedProcess[str], code: int = 1) -> bool:
    """Whether a command exited with code and printed a short message instead of a traceback."""
    told = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    return done.returncode == code and 2 <= len(told) <= 12 and "Traceback" not in done.stderr
