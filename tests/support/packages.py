"""Installs the Debian packages that a test needs, after asking; in CI without asking."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dockyard.core import paths
from dockyard.core.process import Lock
from dockyard.core.wait import tail
from dockyard.engine.system_packages import SEARCH, which
from dockyard.exceptions import InstallFailed


def install(packages: Iterable[str]) -> None:
    """Install packages with apt-get; the services in them are not started.

    Raises InstallFailed.
    """
    wanted = sorted(packages)
    if not wanted:
        return
    apt = which("apt-get")
    command = f"apt-get install --no-install-recommends {' '.join(wanted)}"
    if apt is None or os.geteuid() != 0 or not (os.environ.get("CI") == "true" or _asked(command)):
        raise InstallFailed(
            f"These packages are missing: {' '.join(wanted)}.",
            "The tests install packages only as root, and when somebody agreed or CI is true.",
            f"Run:  sudo {command}",
        )
    with Lock("apt", timeout=600):
        _apt(apt, ["update"], fatal=False)
        _apt(apt, ["install", "--yes", "--no-install-recommends", *wanted], fatal=True)


def _asked(command: str) -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"The tests need to run:  {command}", file=sys.stderr)
    print("Run it now? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _apt(apt: str, words: list[str], *, fatal: bool) -> None:
    log = paths.logs() / "apt.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out, _services_not_started():
        done = subprocess.run(
            [apt, "-o", "DPkg::Lock::Timeout=300", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": SEARCH},
            check=False,
        )
    if fatal and done.returncode != 0:
        raise InstallFailed(
            f"apt-get {' '.join(words)} failed with exit code {done.returncode}.",
            tail(log, 5),
            f"See {log}; check the network, then run this again.",
        )


@contextmanager
def _services_not_started() -> Iterator[None]:
    """Keep maintainer scripts from starting services (Debian Policy, invoke-rc.d(8))."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)
