"""The whole registry in one file: a tar of an OCI image layout.

Blobs and manifests lie under ``blobs/sha256``; ``index.json`` names each manifest with its
``repository:tag`` (OCI Image Layout Specification). For a room without Internet: export once,
carry the file, import.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dockyard.exceptions import RegistryError
from dockyard.registry.api import CHUNK, Manifest, Registry
from dockyard.registry.catalogue import images

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
        raise RegistryError(
            f"{file} could not be written.",
            f"{error.strerror}.",
            "Choose another place, with about 1 GB free.",
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
        if child is not None:  # an index may list platforms that were never copied
            _export_manifest(registry, tar, repository, child, written)
    for blob in manifest.blobs():
        if blob["digest"] in written:
            continue
        written.add(blob["digest"])
        with tempfile.TemporaryFile() as spool:
            for piece in registry.blob(repository, blob["digest"]):
                spool.write(piece)
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

    Every digest is checked before the first byte is stored, so that a truncated or foreign
    file leaves the registry as it was. Raises RegistryError.
    """
    try:
        with tarfile.open(file) as tar:
            members = {member.name: member for member in tar.getmembers() if member.isfile()}
            index = json.loads(_read(tar, members["index.json"]))
            _check_digests(tar, members)
            for entry in index["manifests"]:
                repository, _, tag = entry["annotations"][NAME].rpartition(":")
                _import_manifest(registry, tar, members, repository, entry, tag)
    except FileNotFoundError:
        raise RegistryError(f"There is no file {file}.") from None
    except (tarfile.TarError, KeyError, ValueError, EOFError, OSError) as error:
        raise RegistryError(
            f"{file} is not a whole archive of the course registry.",
            f"It is cut short, damaged or something else ({type(error).__name__}: {error}).",
            "Copy it again, or make it again:  python3 -m dockyard registry export FILE",
        ) from None
    return len(index["manifests"])


def _check_digests(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> None:
    for name, member in members.items():
        if name.startswith("blobs/sha256/"):
            found = hashlib.sha256()
            for piece in _pieces(tar, member):
                found.update(piece)
            if found.hexdigest() != name.rpartition("/")[2]:
                raise ValueError(f"{name} does not have the digest it is called by")


def _import_manifest(registry, tar, members, repository: str, entry: dict, tag: str) -> None:
    content = _read(tar, members[_path(entry["digest"])])
    manifest = Manifest(content, entry["mediaType"], entry["digest"], json.loads(content))
    for child in manifest.document.get("manifests", []):
        if _path(child["digest"]) in members:
            _import_manifest(registry, tar, members, repository, child, child["digest"])
    for blob in manifest.blobs():
        if not registry.has_blob(repository, blob["digest"]):
            pieces = _pieces(tar, members[_path(blob["digest"])])
            registry.put_blob(repository, blob["digest"], pieces)
    registry.put_manifest(repository, tag, manifest)


def _pieces(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    with tar.extractfile(member) as content:
        while piece := content.read(CHUNK):
            yield piece


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    return b"".join(_pieces(tar, member))
