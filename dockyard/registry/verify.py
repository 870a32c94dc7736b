"""Whether the images of the catalogue are present and whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from dockyard.engine.discovery import architecture
from dockyard.exceptions import RegistryError
from dockyard.registry.api import Manifest, Registry
from dockyard.registry.catalogue import Image, images


@dataclass(frozen=True)
class Finding:
    """One tag of the catalogue and what is wrong with it; fault is empty when nothing is."""

    reference: str
    digest: str = ""
    size: int = 0
    fault: str = ""


def is_complete(registry: Registry, image: Image) -> bool:
    """Whether every tag has a manifest whose blobs are all there. Reads no blob."""
    for reference in image.references:
        manifest = _manifest_for_here(registry, image, reference)
        if manifest is None:
            return False
        if not all(
            registry.has_blob(image.repository, blob["digest"]) for blob in manifest.blobs()
        ):
            return False
    return True


def verify(registry: Registry) -> list[Finding]:
    """Read every blob of every image for this machine and compare digests and sizes."""
    checked: dict[str, str] = {}
    return [
        _verify_one(registry, image, reference, checked)
        for image in images()
        for reference in image.references
    ]


def _manifest_for_here(registry: Registry, image: Image, reference: str) -> Manifest | None:
    manifest = registry.manifest(image.repository, reference.partition(":")[2])
    if manifest is None or not manifest.is_index:
        return manifest
    for entry in manifest.document["manifests"]:
        platform = entry.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture()):
            return registry.manifest(image.repository, entry["digest"])
    return None


def _verify_one(
    registry: Registry, image: Image, reference: str, checked: dict[str, str]
) -> Finding:
    manifest = _manifest_for_here(registry, image, reference)
    if manifest is None:
        return Finding(reference, fault=f"not in the registry for linux/{architecture()}")
    size = sum(blob["size"] for blob in manifest.blobs())
    for blob in manifest.blobs():
        digest = blob["digest"]
        if digest not in checked:
            checked[digest] = _fault(registry, image, blob)
        if checked[digest]:
            return Finding(reference, manifest.digest, size, checked[digest])
    return Finding(reference, manifest.digest, size)


def _fault(registry: Registry, image: Image, blob: dict) -> str:
    short = blob["digest"][:19]
    counter, length = hashlib.sha256(), 0
    try:
        for piece in registry.blob(image.repository, blob["digest"]):
            counter.update(piece)
            length += len(piece)
    except (RegistryError, OSError) as error:
        return f"blob {short}… cannot be read: {str(error).splitlines()[0][:120]}"
    if length != blob["size"]:
        return f"blob {short}… has {length} bytes instead of {blob['size']}"
    if f"sha256:{counter.hexdigest()}" != blob["digest"]:
        return f"blob {short}… does not have the digest it is called by"
    return ""
