"""Finds programs, and installs their packages on Debian and Ubuntu after asking."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dockyard.core import docker_client, paths
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.core.wait import tail
from dockyard.engine import debian_archive
from dockyard.engine.base import Need
from dockyard.exceptions import InstallFailed, InstallRefused

SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])
"""The PATH with the folders of administration programs, which not every user has on it."""

# Before Debian 13 the client was part of the daemon's package.
OLDER_NAMES = {"docker-cli": "docker.io"}


def which(program: str) -> str | None:
    """The path of a program, administration folders included; None if it is not installed."""
    return shutil.which(program, path=SEARCH)


def require(program: str, package: str, *, search: str = "") -> str:
    """The path of a program, looked for in search (default: SEARCH).

    Raises InstallFailed, which names the package, if it is not installed.
    """
    if found := shutil.which(program, path=search or SEARCH):
        return found
    raise InstallFailed(
        f"The program {program} is missing.",
        next=f"Install its package:  sudo apt-get install --no-install-recommends {package}",
    )


def missing(programs: Mapping[str, str]) -> list[str]:
    """The packages of those programs that are not installed, sorted; maps program to package."""
    return sorted({package for program, package in programs.items() if not which(program)})


def need(absent: list[str]) -> Need:
    """The need for packages; met if none is absent, or if the course can install them."""
    installable = which("apt-get") is not None and hasattr(os, "geteuid") and os.geteuid() == 0
    if not absent:
        return Need("programs", True, "all present")
    return Need(
        "programs",
        installable,
        f"missing packages: {' '.join(absent)}"
        + (" (the course installs them)" if installable else ""),
        f"sudo apt-get install --no-install-recommends {' '.join(absent)}",
    )


def client() -> Need:
    """The need for the docker client; met as well if the course can fetch one."""
    found = docker_client.find()
    fetched = found is None and debian_archive.can_extract()
    return Need(
        "docker client",
        bool(found) or fetched,
        found or ("none (the course fetches one)" if fetched else "none"),
        f"sudo apt-get install --no-install-recommends {_as_named_here('docker-cli')}"
        if which("apt-cache")
        else "Install it:  https://docs.docker.com/engine/install/",
    )


def allowed_without_asking(install: bool) -> bool:
    """Whether packages may be installed without a question: ``--yes``, or CI=true."""
    return install or os.environ.get("CI", "").lower() in ("1", "true")


def install(packages: Iterable[str], say: Say, *, agreed: bool) -> None:
    """Install packages with apt-get, asking once at a terminal unless agreed.

    The services in the packages are not started. Raises InstallRefused or InstallFailed.
    """
    wanted = list(packages)
    if not wanted:
        return
    apt = which("apt-get")
    command = f"apt-get install --no-install-recommends {' '.join(wanted)}"
    if apt is None:
        raise InstallFailed(
            f"These programs are missing: {' '.join(wanted)}.",
            "This system has no apt-get, so the course cannot install them itself.",
            "Install Docker as https://docs.docker.com/engine/install/ says, then run this again.",
        )
    if os.geteuid() != 0:
        raise InstallRefused(
            f"These packages are missing: {' '.join(wanted)}.",
            "Only root may install packages.",
            f"Ask an administrator to run:  sudo {command}",
        )
    if not allowed_without_asking(agreed) and not _asked(command):
        raise InstallRefused(
            f"These packages are missing: {' '.join(wanted)}.",
            "They were not installed, because nobody agreed to it.",
            "Agree beforehand:  python3 -m dockyard learn --yes",
        )
    say(f"installing {' '.join(wanted)}")
    with Lock("apt", timeout=600):
        _apt(apt, ["update"], fatal=False)
        wanted = sorted({_as_named_here(package) for package in wanted})
        _apt(apt, ["install", "--yes", "--no-install-recommends", *wanted], fatal=True)


def _as_named_here(package: str) -> str:
    if package not in OLDER_NAMES:
        return package
    known = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False)
    return package if known.returncode == 0 else OLDER_NAMES[package]


def _asked(command: str) -> bool:
    if not sys.stdin.isatty():
        return False
    print(f"The course needs to run:  {command}", file=sys.stderr)
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
