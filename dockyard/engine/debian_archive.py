"""Fetches packages from Debian's archive without changing this host's apt."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dockyard.core import wait
from dockyard.engine.base import Need
from dockyard.exceptions import InstallFailed

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PUBLIC_MIRROR = "http://deb.debian.org"


def mirror(archive: str = "debian") -> str:
    """The URL of the Debian mirror in this host's apt sources, else of the public mirror.

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


def private_apt(folder: Path, suites: Sequence[str]) -> list[str]:
    """The beginning of an apt-get command that uses only these suites and writes only to folder.

    It needs no privilege. As it knows no installed package, it is of use for ``update`` and
    ``download`` only.
    """
    for made in ("lists/partial", "cache/archives/partial"):
        (folder / made).mkdir(parents=True)
    (folder / "status").touch()
    sources = folder / "sources.list"
    sources.write_text(
        "".join(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n" for suite in suites)
    )
    return [
        "apt-get",
        *("-o", f"Dir::Etc::sourcelist={sources}"),
        *("-o", "Dir::Etc::sourceparts=-"),
        *("-o", "Dir::Etc::preferencesparts=-"),
        *("-o", f"Dir::State={folder}"),
        *("-o", f"Dir::State::status={folder}/status"),
        *("-o", f"Dir::Cache={folder}/cache"),
        *("-o", "Acquire::Languages=none"),
        *("-o", "APT::Sandbox::User="),
    ]


def can_extract() -> bool:
    """Whether this host has the programs that extract() runs, and the keys of Debian's archive."""
    return KEYRING.is_file() and all(map(shutil.which, ("apt-get", "dpkg-deb")))


def keyring_need() -> Need:
    """The need for the keys of Debian's archive."""
    exists = KEYRING.exists()
    return Need(
        "Debian's keys",
        exists,
        f"{KEYRING} {'exists' if exists else 'is missing'}",
        "sudo apt-get install debian-archive-keyring",
    )


def extract(wanted: Sequence[str], suite: str, tree: Path, log: Path, what: str) -> None:
    """Unpack packages of a suite into the folder tree, without their dependencies.

    Raises InstallFailed with the end of log; what is the subject of its first line.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, log.open("ab") as out:

        def run(*words: str | Path) -> None:
            done = subprocess.run(
                words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
            )
            if done.returncode != 0:
                raise InstallFailed(
                    f"{what} could not be fetched.",
                    wait.tail(log, 3),
                    f"Check the network and the free disk space, read {log}, then run this again.",
                )

        apt = private_apt(Path(folder), [suite])
        run(*apt, "update")
        run(*apt, "download", *wanted)
        for package in Path(folder).glob("*.deb"):
            run("dpkg-deb", "--extract", package, tree)
