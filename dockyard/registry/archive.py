"""The whole registry in one file, for a room without Internet: a tar of an OCI image layout.

``blobs/sha256`` holds blobs and manifests; ``index.json`` names each manifest with its
``repository:tag`` (OCI Image Layout Specification). skopeo cannot write this: its layouts
(``oci:``, ``oci-archive:``) turn Docker's manifests into OCI's, which changes their digests.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

import docker
import msgspec

from dockyard.core import paths
from dockyard.core.process import Lock
from dockyard.exceptions import DiskFull, RegistryError
from dockyard.registry import digests, server, storage
from dockyard.registry.api import (
    CHUNK,
    INDEXES,
    MANIFESTS,
    Descriptor,
    IndexSchema,
    Manifest,
    Registry,
)
from dockyard.registry.image_catalog import images

LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'
NAME = "org.opencontainers.image.ref.name"
REFERENCE = re.compile(
    r"(library/[a-z0-9]+(?:[._-]+[a-z0-9]+)*):([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})"
)
LARGEST = 4 << 20
"""The size in bytes that a manifest may have, as in CNCF Distribution."""

NOT_AN_ARCHIVE = (
    *(tarfile.TarError, KeyError, ValueError, EOFError),
    *(RecursionError, OverflowError, MemoryError),
)
"""What tarfile and the JSON decoder raise for a file that is damaged, or made to do harm."""


def export_archive(registry: Registry, file: Path) -> int:
    """Write the archive in one step; return the number of tags.

    The same registry gives the same bytes. Raises RegistryError when an image is missing or the
    file cannot be written, or DiskFull.
    """
    part = file.with_name(file.name + ".part")
    try:
        with tarfile.open(part, "w") as tar:
            count = _export(registry, tar)
        part.replace(file)
    except OSError as error:
        kind = DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else RegistryError
        needed = sum(image.megabytes for image in images())
        raise kind(
            f"{file} could not be written.",
            f"{error.strerror}.",
            f"Choose another place, with about {needed} MB free:  "
            "python3 -m dockyard registry export FILE",
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return count


def _export(registry: Registry, tar: tarfile.TarFile) -> int:
    written: set[str] = set()
    entries = []
    _add_bytes(tar, "oci-layout", LAYOUT)
    for image in images():
        for reference in image.references:
            manifest = registry.manifest(image.repository, reference.partition(":")[2])
            if manifest is None:
                raise RegistryError(
                    f"{reference} is not in the registry.",
                    next="Fill it first:  python3 -m dockyard registry fill",
                )
            entries.append(
                {
                    "mediaType": manifest.media_type,
                    "digest": manifest.digest,
                    "size": len(manifest.content),
                    "annotations": {NAME: f"library/{reference}"},
                }
            )
            _export_manifest(registry, tar, image.repository, manifest, written)
    index = {"schemaVersion": 2, "manifests": entries}
    _add_bytes(tar, "index.json", json.dumps(index, indent=1).encode())
    return len(entries)


def _export_manifest(
    registry: Registry,
    tar: tarfile.TarFile,
    repository: str,
    manifest: Manifest,
    written: set[str],
) -> None:
    if manifest.digest in written:
        return
    written.add(manifest.digest)
    for digest in manifest.children():
        child = registry.manifest(repository, digest)
        if child is None:
            raise RegistryError(
                f"{repository} lists {digest[:19]}…, but the registry does not have it.",
                next="Repair it:  python3 -m dockyard registry fill",
            )
        _export_manifest(registry, tar, repository, child, written)
    for blob in manifest.blobs():
        if blob["digest"] in written:
            continue
        written.add(blob["digest"])
        with tempfile.TemporaryFile(dir=paths.home()) as spool:
            found = hashlib.sha256()
            for piece in registry.blob(repository, blob["digest"]):
                found.update(piece)
                spool.write(piece)
            if f"sha256:{found.hexdigest()}" != blob["digest"]:
                raise RegistryError(
                    f"A blob of {repository} is damaged: {blob['digest'][:19]}…",
                    "Its content does not have this digest.",
                    "Repair it:  python3 -m dockyard registry fill",
                )
            size = spool.tell()
            spool.seek(0)
            _add(tar, _path(blob["digest"]), spool, size)
    _add_bytes(tar, _path(manifest.digest), manifest.content)


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    _add(tar, name, io.BytesIO(content), len(content))


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)  # owner root, time 0: the same bytes on every run
    entry.size = size
    tar.addfile(entry, content)


def import_archive(file: Path, client: docker.DockerClient | None = None) -> int:
    """Store the images of an archive in the course registry; return the number of tags.

    Everything is checked before the first byte is stored, and tags are set last, so a truncated
    or foreign file leaves the registry as it was. client is the engine of a registry in a
    container. Raises RegistryError, DiskFull or Busy.
    """
    if not file.exists():
        raise RegistryError(
            f"There is no file {file}.",
            next="Make one on a computer with the images:  "
            "python3 -m dockyard registry export course.tar",
        )
    with ExitStack() as stack:
        try:
            if not file.is_file():  # opening a FIFO would wait for a writer
                raise ValueError("it is not a regular file")
            archive = _Archive(stack.enter_context(tarfile.open(file, "r:")))
            archive.check()
        except (*NOT_AN_ARCHIVE, OSError) as error:
            raise RegistryError(
                f"{file} is not a whole archive of the course registry.",
                f"It is cut short, damaged or something else ({type(error).__name__}: {error}).",
                "Copy it again, or make it again:  python3 -m dockyard registry export FILE",
            ) from None
        _check_room(file)
        with Lock("fill", timeout=1800), server.writer(client) as writer:
            storage.discard_damaged_blobs(client)
            archive.store(writer)
            digests.record(writer)
        return len(archive.entries)


def _check_room(file: Path) -> None:
    needed, free = file.stat().st_size, shutil.disk_usage(paths.home()).free
    if free < needed:
        raise DiskFull(
            f"Only {free / 1e6:.0f} MB are free in {paths.home()}.",
            f"The archive holds {needed / 1e6:.0f} MB.",
            f"Free some space, then:  python3 -m dockyard registry import {file}",
        )


class _Archive:
    """A tar of an OCI layout that nobody has checked yet.

    Its methods raise one of NOT_AN_ARCHIVE: KeyError for what is missing, ValueError for what is
    wrong.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar
        self.members = {
            member.name: member
            for member in tar.getmembers()
            if member.isfile() and not member.issparse()  # a sparse file can have any size
        }
        index = msgspec.json.decode(self._read("index.json"), type=IndexSchema)
        self.entries = [(*self._name(entry), entry) for entry in index.manifests]

    def _name(self, entry: Descriptor) -> tuple[str, str]:
        found = REFERENCE.fullmatch(entry.annotations[NAME])
        if not found:
            raise ValueError(f"{entry.annotations[NAME][:80]!r} is not an image of the course")
        return found[1], found[2]

    def check(self) -> None:
        """Check every digest, and that each image is there with all its parts."""
        for name, member in self.members.items():
            if name.startswith("blobs/sha256/"):
                found = hashlib.sha256()
                for piece in self._pieces(member):
                    found.update(piece)
                if found.hexdigest() != name.rpartition("/")[2]:
                    raise ValueError(f"{name} does not have the digest in its name")
        for _, _, entry in self.entries:
            self._check_whole(entry)

    def _check_whole(self, entry: Descriptor) -> None:
        manifest = self._manifest(entry)
        parts = [entry, *msgspec.convert(manifest.blobs(), list[Descriptor])]
        for part in parts:
            if self.members[_path(part.digest)].size != part.size:
                raise ValueError(f"{part.digest} does not have the size it should have")
        for child in self._children(manifest):
            self._check_whole(child)

    def store(self, writer: Registry) -> None:
        """Store all images, then their tags."""
        stored: set[tuple[str, str]] = set()
        for repository, _, entry in self.entries:
            self._store(writer, repository, entry, stored)
        for repository, tag, entry in self.entries:
            writer.put_manifest(repository, tag, self._manifest(entry))

    def _store(
        self, writer: Registry, repository: str, entry: Descriptor, stored: set[tuple[str, str]]
    ) -> None:
        """Store an image or index under its digest alone, once."""
        if (repository, entry.digest) in stored:
            return
        stored.add((repository, entry.digest))
        manifest = self._manifest(entry)
        for child in self._children(manifest):
            self._store(writer, repository, child, stored)
        for blob in manifest.blobs():
            if writer.blob_size(repository, blob["digest"]) != blob["size"]:
                pieces = self._pieces(self.members[_path(blob["digest"])])
                writer.put_blob(repository, blob["digest"], pieces)
        writer.put_manifest(repository, entry.digest, manifest)

    def _manifest(self, entry: Descriptor) -> Manifest:
        if entry.media_type not in INDEXES + MANIFESTS:
            raise ValueError(f"{entry.media_type[:80]!r} is not the media type of a manifest")
        return Manifest.parse(self._read(_path(entry.digest)), entry.media_type)

    def _children(self, manifest: Manifest) -> list[Descriptor]:
        return msgspec.convert(manifest.document.get("manifests", []), list[Descriptor])

    def _read(self, name: str) -> bytes:
        member = self.members[name]
        if member.size > LARGEST:
            raise ValueError(f"{name} has {member.size} bytes")
        return b"".join(self._pieces(member))

    def _pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        with cast(IO[bytes], self.tar.extractfile(member)) as content:  # a regular file
            while piece := content.read(CHUNK):
                yield piece
