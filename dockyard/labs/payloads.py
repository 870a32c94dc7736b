"""Reads what the daemon sends in bytes: multiplexed streams, tar archives, image layers."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import IO

STDOUT, STDERR = 1, 2
WHITEOUT = ".wh."


def demultiplex(stream: bytes, kinds: Collection[int] = (STDOUT, STDERR)) -> str:
    """The text of the frames of some kinds in a stream.

    Each frame begins with 8 bytes: its kind and its length. Docker Engine API: ContainerAttach.
    """
    content = b""
    while len(stream) >= 8:
        end = 8 + int.from_bytes(stream[4:8], "big")
        if stream[0] in kinds:
            content += stream[8:end]
        stream = stream[end:]
    return content.decode(errors="replace")


def first_file(archive: bytes) -> str | None:
    """The text of the first file in a tar archive; None when there is no file."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if file := open_member(tar, member):
                return file.read().decode(errors="replace")
    return None


def files(archive: IO[bytes]) -> dict[str, str]:
    """The texts of the files in a tar archive, by path. Raises tarfile.TarError."""
    with tarfile.open(fileobj=archive) as tar:
        return {
            str(PurePosixPath(member.name)): file.read().decode(errors="replace")
            for member in tar
            if (file := open_member(tar, member))
        }


def open_member(tar: tarfile.TarFile, member: tarfile.TarInfo | str) -> IO[bytes] | None:
    """A file in a tar archive, to read from; None when it is no file. Raises KeyError."""
    found = tar.getmember(member) if isinstance(member, str) else member
    return tar.extractfile(found) if found.isfile() else None


def whiteouts(layer: IO[bytes]) -> set[str]:
    """The paths that a layer hides; empty when the file is no layer.

    Each is named by an empty file with a prefix (OCI image specification: layer.md, Whiteouts).
    """
    try:
        with tarfile.open(fileobj=layer) as tar:
            paths = [PurePosixPath(member.name) for member in tar]
    except tarfile.TarError:
        return set()
    return {
        str(path.with_name(path.name.removeprefix(WHITEOUT)))
        for path in paths
        if path.name.startswith(WHITEOUT) and path.name != f"{WHITEOUT}{WHITEOUT}.opq"
    }


def layer_contains(layer: IO[bytes], text: bytes) -> bool:
    """Whether a layer contains a text anywhere. Some daemons compress layers with gzip."""
    is_compressed = layer.read(2) == b"\x1f\x8b"
    layer.seek(0)
    content: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=layer) if is_compressed else layer
    end = b""
    while block := content.read(1 << 20):
        # The text may begin in one block and end in the next.
        block = end + block
        if text in block:
            return True
        end = block[-len(text) :]
    return False
