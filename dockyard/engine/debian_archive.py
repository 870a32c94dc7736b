"""Fetches packages from Debian's archive without changing this host's apt."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dockyard.core import wait
from dockyard.engine.base import AGAIN
from dockyard.exceptions import InstallFailed

KEYS = Path(__file__).with_name("debian-archive.asc")
"""The key that signs Debian 13 and later, because hosts such as Ubuntu have none of Debian's.

It is Debian's Archive Automatic Signing Key (13/trixie), fingerprint
04B5 4C3C DCA7 9751 B16B C6B5 2256 29DF 75B1 88BD, valid until 2035. To compare it with the one in
the package debian-archive-keyring:  gpg --show-keys FILE
"""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""The keys of all of Debian's archive, on Debian and in an engine root."""

PUBLIC_MIRROR = "http://deb.debian.org"
SNAPSHOTS = "http://snapshot.debian.org/archive/debian"
"""Debian's archive of every day since 2005, by its time: ``SNAPSHOTS/20261128T000000Z``."""

INSTALLED = """\
Package: {name}
Status: install ok installed
Architecture: {architecture}
Multi-Arch: allowed
Version: 9999
Maintainer: nobody
Description: not fetched

"""


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


def private_apt(
    folder: Path, suites: Sequence[str], *, archive: str = "", assumed: Iterable[str] = ()
) -> list[str]:
    """The beginning of an apt-get command that uses only these suites and writes only to folder.

    It needs no privilege. archive is the URL of the packages, by default mirror(). As it knows
    no installed package besides those named in assumed, it is of use for ``update`` and
    ``download`` and with ``--download-only``.
    """
    for made in ("lists/partial", "cache/archives/partial"):
        (folder / made).mkdir(parents=True)
    status = folder / "status"
    status.write_text("".join(INSTALLED.format(name=name, architecture="all") for name in assumed))
    sources = folder / "sources.list"
    sources.write_text(
        "".join(f"deb [signed-by={KEYS}] {archive or mirror()} {suite} main\n" for suite in suites)
    )
    return [
        "apt-get",
        *("-o", f"Dir::Etc::sourcelist={sources}"),
        *("-o", "Dir::Etc::sourceparts=-"),
        *("-o", "Dir::Etc::preferencesparts=-"),
        *("-o", f"Dir::State={folder}"),
        *("-o", f"Dir::State::status={status}"),
        *("-o", f"Dir::Cache={folder}/cache"),
        *("-o", "Acquire::Languages=none"),
        *("-o", "APT::Sandbox::User="),
    ]


def download(
    run: Callable[[list[str]], None],
    folder: Path,
    suite: str,
    packages: Iterable[str],
    *,
    archive: str = "",
    assumed: Iterable[str] = (),
) -> list[Path]:
    """Download packages with their dependencies; returns the files in a fixed order.

    run runs a command and raises an exception if it fails. The other parameters are those of
    private_apt().
    """
    apt = [
        *private_apt(folder, [suite], archive=archive, assumed=assumed),
        # A snapshot of a testing suite, as some mirrors keep, may be past its Valid-Until date.
        *("-o", "Acquire::Check-Valid-Until=false"),
        *("-o", "Acquire::Retries=3"),
        # Without this, apt-get update succeeds without a network.
        *("-o", "APT::Update::Error-Mode=any"),
    ]
    run([*apt, "update"])
    run([*apt, "install", "--download-only", "--no-install-recommends", "--yes", *packages])
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def can_extract() -> bool:
    """Whether this host has the programs that fetch and unpack packages."""
    return all(map(shutil.which, ("apt-get", "dpkg-deb")))


def extract(
    wanted: Sequence[str], suite: str, tree: Path, log: Path, what: str, *, architecture: str = ""
) -> None:
    """Unpack packages of a suite into the folder tree, without their dependencies.

    architecture is another one than this host's, by Debian's name. Raises InstallFailed with the
    end of log; what is the subject of its first line.
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
                    complaint(log),
                    f"Check the network and the free disk space (log: {log}), then:  {AGAIN}",
                )

        apt = private_apt(Path(folder), [suite])
        if architecture:
            apt += ["-o", f"APT::Architecture={architecture}"]
        run(*apt, "update")
        run(*apt, "download", *wanted)
        for package in Path(folder).glob("*.deb"):
            run("dpkg-deb", "--extract", package, tree)


def complaint(log: Path) -> str:
    """The errors at the end of apt's log, else its last lines."""
    said = wait.tail(log).splitlines()
    return "\n".join([line for line in said if line.startswith("E: ")] or said[-3:])


def unpack(packages: Iterable[Path], tree: Path, left_out: Iterable[str]) -> None:
    """Unpack package files into the folder tree, except for files that match tar patterns.

    Raises InstallFailed.
    """
    exclude = [f"--exclude={pattern}" for pattern in left_out]
    largest_first = sorted(packages, key=lambda package: -package.stat().st_size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda package: _unpack_one(package, tree, exclude), largest_first):
            pass


def _unpack_one(package: Path, tree: Path, exclude: list[str]) -> None:
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as archive:
        done = subprocess.run(
            ["tar", "--extract", "--no-same-owner", f"--directory={tree}", *exclude],
            stdin=archive.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
        assert archive.stderr
        said = archive.stderr.read().decode(errors="replace") + done.stderr
    if done.returncode != 0 or archive.returncode != 0:
        raise InstallFailed(
            f"The package {package.name} could not be unpacked.",
            "\n".join(said.splitlines()[-3:]),
            f"Check the free disk space of {tree.parent}, then:  {AGAIN}",
        )
