"""The whole registry in one file: a tar of an OCI image layout.

Blobs and manifests lie under ``blobs/sha256``; ``index.json`` names each manifest with its
``repository:tag`` (OCI Image Layout Specification). For a room without Internet: export once,
carry the file, import.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dockyard.core import paths
from dockyard.exceptions import DiskFull, RegistryError
from dockyard.registry.api import CHUNK, Manifest, Registry
from dockyard.registry.image_catalog import images

LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'
NAME = "org.opencontainers.image.ref.name"


def export_archive(registry: Registry, file: Path) -> int:
    """Write the archive in one step; return how many tags it holds.

    The same registry gives the same bytes. Raises RegistryError when an image is missing or
    the file cannot be written.
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
    _add(tar, "oci-layout", LAYOUT)
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
    _add(tar, "index.json", json.dumps(index, indent=1).encode())
    return len(entries)


def _export_manifest(registry, tar, repository: str, manifest: Manifest, written: set[str]) -> None:
    if manifest.digest in written:
        return
    written.add(manifest.digest)
    for digest in manifest.children():
        child = registry.manifest(repository, digest)
        if child is None:
            raise RegistryError(
                f"{repository} lists {digest[:19]}…, but the registry does not have it.",
                next="Mend it:  python3 -m dockyard registry fill",
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
                    "It does not have the digest it is called by.",
                    "Mend it:  python3 -m dockyard registry fill",
                )
            size = spool.tell()
            spool.seek(0)
            _add(tar, _path(blob["digest"]), spool, size)
    _add(tar, _path(manifest.digest), manifest.content)


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _add(tar: tarfile.TarFile, name: str, content, size: int | None = None) -> None:
    entry = tarfile.TarInfo(name)  # time 0, root: the same bytes on every run
    entry.size = len(content) if size is None else size
    tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else content)


def import_archive(registry: Registry, file: Path) -> int:
    """Store what an archive holds; return how many tags.

    Every digest and reference is checked before the first byte is stored, and tags are set
    last, so that a truncated or foreign file leaves the registry as it was. Raises
    RegistryError or DiskFull.
    """
    try:
        with tarfile.open(file, "r:") as tar:
            members = {member.name: member for member in tar.getmembers() if member.isfile()}
            entries = json.loads(_read(tar, members["index.json"]))["manifests"]
            _check_digests(tar, members)
            named = [(*entry["annotations"][NAME].rsplit(":", 1), entry) for entry in entries]
            for _, _, entry in named:
                _check_whole(tar, members, entry)
            _check_room(file)
            stored: set[tuple[str, str]] = set()
            for repository, _, entry in named:
                _import_manifest(registry, tar, members, repository, entry, stored)
            for repository, tag, entry in named:
                registry.put_manifest(repository, tag, _manifest(tar, members, entry))
    except FileNotFoundError:
        raise RegistryError(
            f"There is no file {file}.",
            next="Make one on a computer with the images:  "
            "python3 -m dockyard registry export course.tar",
        ) from None
    except (tarfile.TarError, KeyError, TypeError, ValueError, EOFError, OSError) as error:
        raise RegistryError(
            f"{file} is not a whole archive of the course registry.",
            f"It is cut short, damaged or something else ({type(error).__name__}: {error}).",
            "Copy it again, or make it again:  python3 -m dockyard registry export FILE",
        ) from None
    return len(entries)


def _check_room(file: Path) -> None:
    needed, free = file.stat().st_size, shutil.disk_usage(paths.home()).free
    if free < needed:
        raise DiskFull(
            f"Only {free / 1e6:.0f} MB are free in {paths.home()}.",
            f"The archive holds {needed / 1e6:.0f} MB.",
            f"Free some space, then:  python3 -m dockyard registry import {file}",
        )


def _check_digests(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> None:
    for name, member in members.items():
        if name.startswith("blobs/sha256/"):
            found = hashlib.sha256()
            for piece in _pieces(tar, member):
                found.update(piece)
            if found.hexdigest() != name.rpartition("/")[2]:
                raise ValueError(f"{name} does not have the digest it is called by")


def _check_whole(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], entry: dict) -> None:
    """Raise KeyError or ValueError when something an entry refers to is not in the archive."""
    manifest = _manifest(tar, members, entry)
    for part in (entry, *manifest.blobs()):
        if members[_path(part["digest"])].size != part["size"]:
            raise ValueError(f"{part['digest']} does not have the size it should have")
    for child in manifest.document.get("manifests", []):
        _check_whole(tar, members, child)


def _manifest(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], entry: dict) -> Manifest:
    content = _read(tar, members[_path(entry["digest"])])
    return Manifest(content, entry["mediaType"], entry["digest"], json.loads(content))


def _import_manifest(
    registry: Registry,
    tar: tarfile.TarFile,
    members: dict[str, tarfile.TarInfo],
    repository: str,
    entry: dict,
    stored: set[tuple[str, str]],
) -> None:
    """Store an image or index under its digest alone, once."""
    if (repository, entry["digest"]) in stored:
        return
    stored.add((repository, entry["digest"]))
    manifest = _manifest(tar, members, entry)
    for child in manifest.document.get("manifests", []):
        _import_manifest(registry, tar, members, repository, child, stored)
    for blob in manifest.blobs():
        if registry.blob_size(repository, blob["digest"]) != blob["size"]:
            pieces = _pieces(tar, members[_path(blob["digest"])])
            registry.put_blob(repository, blob["digest"], pieces)
    registry.put_manifest(repository, entry["digest"], manifest)


def _pieces(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    with tar.extractfile(member) as content:
        while piece := content.read(CHUNK):
            yield piece


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    return b"".join(_pieces(tar, member))
