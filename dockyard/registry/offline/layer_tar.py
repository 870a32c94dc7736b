"""Writes files of root into the archive of a layer, the same bytes on every run."""

from __future__ import annotations

import io
import tarfile

from dockyard.registry.image_catalog import Image


def add_files(tar: tarfile.TarFile, image: Image, born: int) -> None:
    """Add the files that the image has from the course. born is their time."""
    files = image.context / "files"
    for file in sorted(files.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            # Not the mode of the file, which some file systems do not keep.
            mode = 0o755 if content.startswith(b"#!") else 0o644
            add_file(tar, file.relative_to(files).as_posix(), content, born, mode)


def add_file(tar: tarfile.TarFile, name: str, content: bytes, born: int, mode: int) -> None:
    """Add a file."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), mode, born
    tar.addfile(entry, io.BytesIO(content))


def add_folder(tar: tarfile.TarFile, name: str, mode: int, born: int) -> None:
    """Add a folder."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, mode, born
    tar.addfile(entry)


def add_link(tar: tarfile.TarFile, name: str, target: str, born: int) -> None:
    """Add a hard link to a file that the archive has."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode, entry.mtime = tarfile.LNKTYPE, target, 0o755, born
    tar.addfile(entry)
