"""Engine roots as archives of a release, for computers without Debian's programs."""

from __future__ import annotations

import errno
import lzma
import os
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.core import download
from dockyard.engine.base import AGAIN, LARGER_DISK
from dockyard.exceptions import DiskFull, InstallFailed

FILTERS = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6}]
"""xz(1), which every Python reads. The first filter makes programs smaller."""

BORN = 946684800
"""The time of all files in an archive, 2000-01-01: packages do not say when links were made."""


@dataclass(frozen=True)
class Published:
    """An archive of a release; size is in bytes."""

    url: str
    sha256: str
    size: int


def published(table: Mapping[str, Any], machine: str, recipe: str) -> Published | None:
    """The archive for a kind of machine that was made by this recipe; None if there is none.

    table is engine_root.toml. ``$DOCKYARD_RELEASE`` replaces the folder in which it has them.
    """
    folder = os.environ.get("DOCKYARD_RELEASE") or table["url"]
    noted = table.get("archive", {}).get(machine)
    if not folder or not noted or noted["recipe"] != recipe:
        return None
    name = f"engine-root-{recipe}.tar.xz"
    return Published(f"{folder.rstrip('/')}/{name}", noted["sha256"], noted["size"])


def fetch(found: Published, tree: Path) -> None:
    """Download an archive, check it, and unpack it into the folder tree.

    Raises InstallFailed, or DiskFull.
    """
    packed = tree.with_name(f"{tree.name}.tar.xz")
    try:
        download.fetch(found.url, packed, sha256=found.sha256, size=found.size)
        with tarfile.open(packed) as archive:
            # Debian 12's Python 3.11.2 has no filters, and later ones want one to be chosen.
            archive.extraction_filter = getattr(tarfile, "tar_filter", lambda member, _: member)
            archive.extractall(tree)
    except download.DownloadFailed as error:
        raise InstallFailed(
            "The archive with Docker could not be downloaded.",
            str(error),
            f"Check the network, then:  {AGAIN}",
        ) from None
    except OSError as error:
        raise disk_full(tree.parent, error) from None
    finally:
        packed.unlink(missing_ok=True)


def disk_full(folder: Path, error: OSError) -> OSError | DiskFull:
    """The error to raise for one that occurred while files were written to folder."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return DiskFull(
        f"The disk of {folder} became full while Docker was unpacked.",
        f"{error.strerror}.",
        f"Free some space, or choose another disk:  {LARGER_DISK}",
    )


def write(tree: Path, target: Path) -> None:
    """Write an archive of the folder tree, whose bytes depend only on its files."""
    with (
        lzma.open(target, "wb", filters=FILTERS, check=lzma.CHECK_CRC64) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(tree.rglob("*")):
            archive.add(path, str(path.relative_to(tree)), recursive=False, filter=_plain)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = BORN
    # An engine root is for its owner only, so no program is set-user-id.
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def note(table: Path, machine: str, url: str, recipe: str, archive: Path) -> None:
    """Write URL, digest and size of an archive into engine_root.toml."""
    digest = download.sha256_of(archive)
    text = re.sub(r'(?m)^url = ".*"$', f'url = "{url}"', table.read_text())
    text = re.sub(rf"\n\[archive\.{machine}\]\n(?:[^\[\n].*\n)*", "", text)
    text += (
        f'\n[archive.{machine}]\nrecipe = "{recipe}"\nsha256 = "{digest}"\n'
        f"size = {archive.stat().st_size}\n"
    )
    table.write_text(text)
