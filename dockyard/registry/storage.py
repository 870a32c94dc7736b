"""The registry's files, where its API cannot help: removing damaged blobs, and tags.

A registry never checks a blob that it has, so a push does not replace a damaged one, and a
client cannot delete it either. The layout of the files is that of CNCF Distribution 2
(registry/storage/paths.go).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import docker

from dockyard.registry import registry_container as container
from dockyard.registry import server
from dockyard.registry.image_catalog import Image

ROOT = Path("docker/registry/v2")
BLOBS = ROOT / "blobs" / "sha256"


def discard_damaged_blobs(client: docker.DockerClient | None) -> list[str]:
    """Remove every blob whose content does not have its digest; return these digests.

    Reads the whole storage. client is the engine of a registry in a container.
    """
    found = _hash_in_container(client) if client and server.in_container() else _hash_here()
    damaged = [path.parent for path, number in found if path.parent.name != number]
    for folder in damaged:
        _remove(folder, client)
    return [f"sha256:{folder.name}" for folder in damaged]


def discard_tags(image: Image, client: docker.DockerClient | None) -> None:
    """Remove the tags of an image; manifests and blobs stay for those who share them."""
    for tag in image.tags:
        _remove(ROOT / "repositories" / image.repository / "_manifests" / "tags" / tag, client)


def _hash_here() -> Iterator[tuple[Path, str]]:
    for file in sorted((server.storage() / BLOBS).glob("*/*/data")):
        yield file.relative_to(server.storage()), _sha256(file)


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return "unreadable"


def _hash_in_container(client: docker.DockerClient) -> Iterator[tuple[Path, str]]:
    script = f"cd {container.STORAGE} && find {BLOBS} -name data -exec sha256sum {{}} +"
    if running := container.find(client):
        done = running.exec_run(["sh", "-c", script], stderr=False)
        for line in cast(bytes, done.output).decode().splitlines():  # bytes: it is no stream
            number, _, path = line.partition("  ")
            yield Path(path), number


def _remove(folder: Path, client: docker.DockerClient | None) -> None:
    if not (client and server.in_container()):
        shutil.rmtree(server.storage() / folder, ignore_errors=True)
    elif running := container.find(client):
        running.exec_run(["rm", "-r", "-f", f"{container.STORAGE}/{folder}"])
