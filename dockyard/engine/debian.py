"""Debian's archive, as this host reaches it, without touching this host's own apt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PUBLIC_MIRROR = "http://deb.debian.org"


def mirror(archive: str = "debian") -> str:
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


def private_apt(folder: Path, suites: Sequence[str]) -> list[str]:
    """The words of an apt-get that knows the given suites only and keeps all it has in folder.

    It needs no privilege and knows of no installed package, so it serves ``update`` and
    ``download``.
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
