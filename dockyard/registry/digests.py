"""The digest of every tag as the course stored it, in a file of the store.

It tells an image that the course stored from one that took its place.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from dockyard.core import paths, private_file
from dockyard.registry.api import Registry
from dockyard.registry.image_catalog import Image, images

_adding = threading.Lock()


def _file() -> Path:
    return paths.store() / "registry-digests.json"


def load() -> dict[str, str]:
    """The digest of each ``NAME:TAG``; empty when none were recorded or the file is damaged."""
    try:
        return msgspec.json.decode(_file().read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError):
        return {}


def record(registry: Registry) -> None:
    """Record the tags of the catalog that the registry has now. Raises RegistryError or OSError."""
    found = _found(registry, images())
    if found != load() or not _is_readable_by_all():
        _save(found)


def _is_readable_by_all() -> bool:
    """Whether those who share the store can read the file; earlier editions kept it private."""
    return not _file().exists() or _file().stat().st_mode & 0o444 == 0o444


def add(registry: Registry, stored: Image) -> None:
    """Record the tags of one image. Raises RegistryError or OSError."""
    with _adding:
        _save(load() | _found(registry, [stored]))


def _found(registry: Registry, chosen: Iterable[Image]) -> dict[str, str]:
    return {
        reference: manifest.digest
        for image in chosen
        for reference, tag in zip(image.references, image.tags, strict=True)
        if (manifest := registry.manifest(image.repository, tag))
    }


def forget(changing: Iterable[Image]) -> None:
    """Drop the digests of images that are about to be stored anew."""
    dropped = {reference for image in changing for reference in image.references}
    kept = load()
    if dropped & kept.keys():
        _save({reference: kept[reference] for reference in kept.keys() - dropped})


def _save(found: Mapping[str, str]) -> None:
    private_file.write(_file(), json.dumps(found, indent=1, sort_keys=True) + "\n")
    # It is no secret, and other homes that share the store read it.
    _file().chmod(0o644)
