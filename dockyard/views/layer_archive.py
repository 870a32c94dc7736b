"""Reads layers from archives: their files, and which files of lower layers they remove.

A layer is a tar archive of the differences to the layers below; ``.wh.NAME`` in it removes NAME
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
"""The number of files up to which a layer's names are kept, so that layers can be compared."""

SMALL = 1 << 20
"""The size in bytes up to which a member of an archive may be JSON instead of a layer."""

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass
class Contents:
    """The contents of one layer.

    size is the sum of the files' sizes in bytes, count their number. files is None if there are
    more than COMPARED files. problem says why nothing was read.
    """

    size: int = 0
    count: int = 0
    files: dict[str, int] | None = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    removed: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass
class Changes:
    """A layer compared with the layers below it.

    added and changed map paths to sizes in bytes; both are None if there are too many files.
    removed are files, and folders with all that was in them.
    """

    added: dict[str, int] | None
    changed: dict[str, int] | None
    removed: list[str]


class _Pieces(io.RawIOBase):
    """Reads an iterable of bytes as a file, once, from start to end."""

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
    """Return a file that reads the pieces one after the other and keeps none."""
    return io.BufferedReader(_Pieces(pieces), 1 << 16)


def read_layer(file: IO[bytes]) -> Contents:
    """Read one layer, compressed or not; keep only names and sizes."""
    found = Contents()
    try:
        # "|" never seeks, so the layer is streamed in small pieces.
        with tarfile.open(fileobj=file, mode="r|*") as tar:
            for member in _members(tar):
                _note(found, member)
    except (tarfile.TarError, EOFError, OSError) as error:
        return Contents(problem=f"cannot be read ({error})")
    return found


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        # tarfile keeps every member for getmember().
        tar.members.clear()  # type: ignore[attr-defined]  # an attribute that typeshed does not have
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
        found.folders.add(path)
    else:
        found.size += member.size
        found.count += 1
        if found.files is not None:
            found.files[path] = member.size
    if found.count > COMPARED:
        found.files = None


def read_archive(file: IO[bytes]) -> list[Contents]:
    """Read the output of ``docker save`` for one image: its layers, from the lowest to the top.

    Docker 25 and later write an OCI layout, earlier versions ``ID/layer.tar``. In both,
    ``manifest.json`` comes after the layers and lists those of the image.
    """
    parts: dict[str, Contents] = {}
    links: dict[str, str] = {}
    order: list[str] = []
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for member in _members(tar):
            if member.issym():
                folder = posixpath.dirname(member.name)
                links[member.name] = posixpath.normpath(posixpath.join(folder, member.linkname))
            elif member.name == "manifest.json" and (part := tar.extractfile(member)):
                order = json.load(part)[0]["Layers"]
            elif (
                member.isfile() and _may_be_layer(member.name) and (part := tar.extractfile(member))
            ):
                parts[member.name] = _read_part(part, member.size)
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
"""Builders mount these while a step runs; if the base has no such folders, empty ones remain."""


def compare(stack: list[Contents]) -> list[Changes]:
    """Compare each layer with the layers below it.

    Folders count only in layers without files, because builders also record every parent folder
    of a file.
    """
    seen: set[str] | None = set()
    folders: set[str] = set()
    found = []
    for layer in stack:
        if seen is None or layer.files is None:
            seen = None
            found.append(Changes(None, None, layer.removed))
            continue
        removed = {path for each in layer.removed for path in _hidden(each, layer, seen, folders)}
        added = {path: size for path, size in layer.files.items() if path not in seen}
        changed = {path: size for path, size in layer.files.items() if path in seen}
        if not layer.files and not layer.removed:
            added = {f"{path}/": 0 for path in layer.folders - folders - MOUNTED}
        found.append(Changes(added, changed, sorted(removed)))
        for path in removed:
            seen -= {each for each in seen if _is_within(each, path)}
            folders -= {each for each in folders if _is_within(each, path)}
        seen |= layer.files.keys()
        folders |= layer.folders
    return found


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _hidden(removed: str, layer: Contents, seen: set[str], folders: set[str]) -> Iterator[str]:
    """What a whiteout removes, the topmost paths only.

    For a folder that was removed and made anew, Docker's own image store has one opaque whiteout
    and containerd's has one whiteout per entry. Both are told as the latter.
    """
    if not removed.endswith("/*"):
        yield removed
        return
    folder = removed.removesuffix("/*")
    below = {each for each in seen | folders if each.startswith(f"{folder}/")}
    for path in {f"{folder}/{each[len(folder) + 1 :].partition('/')[0]}" for each in below}:
        if path in folders and path in layer.folders:
            yield from _hidden(f"{path}/*", layer, seen, folders)
        elif path not in (layer.files or ()):
            yield path
