"""What is in a layer: its files and what it removes, read from a stream of any length.

A layer is a tar archive of what differs from the layers below it; ``.wh.NAME`` in it removes NAME
(OCI Image Layer Specification: Representing Changes, Whiteouts).
"""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

COMPARED = 50_000
"""Files of one layer that are remembered by name, so that layers can be compared."""

SMALL = 1 << 20
"""Bytes up to which a part of an archive may be a note in JSON and no layer."""

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass
class Contents:
    """What one layer holds.

    size is the sum of its files in bytes. files and folders are forgotten (None) when there are
    more than COMPARED; count says how many files there are. problem says why nothing was read.
    """

    size: int = 0
    count: int = 0
    files: dict[str, int] | None = field(default_factory=dict)
    folders: set[str] | None = field(default_factory=set)
    removed: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass
class Changes:
    """A layer compared with those below it: paths with their sizes, or None when too many."""

    added: dict[str, int] | None
    changed: dict[str, int] | None
    removed: list[str]


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file that is read once, from its beginning to its end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def as_file(pieces: Iterable[bytes]) -> IO[bytes]:
    """A file that reads pieces one after the other and keeps none."""
    return io.BufferedReader(_Pieces(pieces), 1 << 16)


def read_layer(file: IO[bytes]) -> Contents:
    """Read one layer, packed with gzip or plain, and keep names and sizes only."""
    found = Contents()
    try:
        # With "|" nothing is ever sought, so the layer passes by in small pieces.
        with tarfile.open(fileobj=file, mode="r|*") as tar:
            for member in _members(tar):
                _note(found, member)
    except (tarfile.TarError, EOFError, OSError) as error:
        return Contents(problem=f"cannot be read ({error})")
    return found


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        # tarfile would remember each for the sake of getmember().
        tar.members.clear()
        yield member


def _note(found: Contents, member: tarfile.TarInfo) -> None:
    path = posixpath.normpath("/" + member.name.lstrip("/"))
    folder, name = posixpath.split(path)
    if not name:
        return
    if name == _OPAQUE:
        found.removed.append(posixpath.join(folder, "*"))
    elif name.startswith(_WHITEOUT):
        found.removed.append(posixpath.join(folder, name.removeprefix(_WHITEOUT)))
    elif member.isdir():
        if found.folders is not None:
            found.folders.add(path)
    else:
        found.size += member.size
        found.count += 1
        if found.files is not None:
            found.files[path] = member.size
    if found.count > COMPARED:
        found.files = found.folders = None


def read_archive(file: IO[bytes]) -> list[Contents]:
    """Read what ``docker save`` writes for one image: its layers from the lowest to the top one.

    Docker 25 and later write an OCI layout, earlier ones ``ID/layer.tar``; both say in
    ``manifest.json`` which layers belong to the image, after the layers themselves.
    """
    parts: dict[str, Contents] = {}
    links: dict[str, str] = {}
    order: list[str] = []
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for member in _members(tar):
            if member.issym():
                folder = posixpath.dirname(member.name)
                links[member.name] = posixpath.normpath(posixpath.join(folder, member.linkname))
            elif member.name == "manifest.json":
                order = json.load(tar.extractfile(member))[0]["Layers"]
            elif member.isfile() and _may_be_layer(member.name):
                parts[member.name] = _read_part(tar.extractfile(member), member.size)
    return [parts[links.get(name, name)] for name in order]


def _may_be_layer(name: str) -> bool:
    return name.endswith("/layer.tar") or name.startswith("blobs/")


def _read_part(file: IO[bytes], size: int) -> Contents:
    if size <= SMALL:
        content = file.read()
        if content[:1] in (b"{", b"["):
            return Contents(problem="no layer")
        file = io.BytesIO(content)
    return read_layer(file)


MOUNTED = frozenset({"/dev", "/proc", "/sys"})
"""What a builder mounts while a step runs; of a base without these folders the places stay."""


def compare(stack: list[Contents]) -> list[Changes]:
    """What each layer adds, changes and removes, seen from the layers below it.

    A folder counts where a layer has nothing else, because builders note every folder on the way
    to a file.
    """
    seen: set[str] | None = set()
    folders: set[str] = set()
    found = []
    for layer in stack:
        if seen is None or layer.files is None:
            seen = None
            found.append(Changes(None, None, layer.removed))
            continue
        added = {path: size for path, size in layer.files.items() if path not in seen}
        changed = {path: size for path, size in layer.files.items() if path in seen}
        if not layer.files and not layer.removed:
            added = {f"{path}/": 0 for path in layer.folders - folders - MOUNTED}
        found.append(Changes(added, changed, layer.removed))
        for path in layer.removed:
            inside = path.removesuffix("*") if path.endswith("/*") else f"{path}/"
            gone = {each for each in seen if each == path or each.startswith(inside)}
            seen -= gone
            folders -= {each for each in folders if each == path or each.startswith(inside)}
        seen |= layer.files.keys()
        folders |= layer.folders
    return found
