"""Client plugins (Compose, buildx) for a docker client that lacks them.

Debian 12 has neither. Debian 13 has both, as programs that need nothing but the C library, so
they are taken out of its packages into the course's own folder. This system's package sources
stay as they are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from dockyard import client, paths, wait
from dockyard.engine import packages
from dockyard.engine.base import Say
from dockyard.exceptions import InstallFailed
from dockyard.process import Lock

PACKAGES = {"compose": "docker-compose", "buildx": "docker-buildx"}
SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PUBLIC_MIRROR = "http://deb.debian.org"


def ensure(say: Say) -> None:
    """Make ``docker compose`` and ``docker buildx`` work with the course's configuration.

    Raises InstallFailed when they are missing and cannot be fetched.
    """
    absent = [name for name in PACKAGES if client.find_plugin(name) is None]
    if not absent:
        return
    if packages.which("apt-get") is None or not KEYRING.exists():
        raise InstallFailed(
            f"These plugins of the docker client are missing: {', '.join(absent)}.",
            "Lessons on Compose and on building use them.",
            "Install them:  https://docs.docker.com/compose/install/linux/",
        )
    say(f"fetching the client plugins {' and '.join(absent)}")
    with Lock("plugins", timeout=300):
        _fetch([PACKAGES[name] for name in absent if client.find_plugin(name) is None])


def debian_mirror(archive: str = "debian") -> str:
    """The Debian mirror this host uses, from its own apt sources; else the public one.

    archive is ``debian`` or ``debian-security``.
    """
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix not in ("", ".list", ".sources") or not file.is_file():
            continue
        for address in re.findall(
            r"^(?:deb\b[^#\n]*?|URIs:.*?)(https?://\S+)", file.read_text(), re.M
        ):
            if re.search(rf"/{archive}/?$", address):
                return address.rstrip("/")
    return f"{PUBLIC_MIRROR}/{archive}"


def _fetch(wanted: list[str]) -> None:
    log = paths.logs() / "plugins.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, log.open("ab") as out:
        # apt drops its privileges for downloads and then needs to enter this folder.
        os.chmod(folder, 0o755)
        options = _private_apt(Path(folder))
        for words in (["update"], ["download", *wanted]):
            done = subprocess.run(
                ["apt-get", *options, *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
            )
            if done.returncode != 0:
                raise InstallFailed(
                    "The plugins of the docker client could not be fetched.",
                    wait.tail(log, 3),
                    f"Check the network, read {log}, then run this again.",
                )
        client.own_plugins().mkdir(parents=True, exist_ok=True)
        for package in Path(folder).glob("*.deb"):
            tree = Path(folder) / package.stem
            subprocess.run(["dpkg-deb", "--extract", package, tree], check=True)
            for program in tree.glob("usr/lib*/docker/cli-plugins/docker-*"):
                _put(program.resolve() if program.is_symlink() else program, program.name)


def _put(program: Path, name: str) -> None:
    target = client.own_plugins() / name
    part = target.with_name(name + ".part")
    shutil.copy2(program, part)
    part.replace(target)


def _private_apt(folder: Path) -> list[str]:
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {debian_mirror()} {SUITE} main\n")
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    return [
        "-o", f"Dir::Etc::sourcelist={sources}",
        "-o", "Dir::Etc::sourceparts=-",
        "-o", f"Dir::State={folder / 'state'}",
        "-o", f"Dir::Cache={folder / 'cache'}",
        "-o", "APT::Sandbox::User=root" if os.geteuid() == 0 else "APT::Get::List-Cleanup=0",
    ]  # fmt: skip
