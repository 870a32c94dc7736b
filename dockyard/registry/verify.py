"""Checks that the images of the catalog are present, undamaged and for this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dockyard.engine.discovery import architecture
from dockyard.exceptions import RegistryError
from dockyard.registry.api import Manifest, Registry
from dockyard.registry.image_catalog import ORIGIN, RECIPE, Image, images


@dataclass(frozen=True)
class ImageFinding:
    """One tag of the catalog and what is wrong with it; fault is empty when nothing is.

    size is in bytes, compressed.
    """

    reference: str
    digest: str = ""
    size: int = 0
    origin: str = ""
    fault: str = ""


def is_complete(
    registry: Registry, image: Image, recorded: Mapping[str, str] = MappingProxyType({})
) -> bool:
    """Whether every tag has a manifest and all its blobs, with the right sizes.

    A tag in recorded must have the digest that is recorded there.
    """
    return all(_is_there(registry, image, reference, recorded) for reference in image.references)


def is_current(registry: Registry, image: Image) -> bool:
    """Whether an image was built by today's recipe; true for images from Docker Hub."""
    manifest = for_machine(registry, image, image.reference)
    if manifest is None:
        return False
    found = labels(registry, image, manifest)
    return ORIGIN not in found or found.get(RECIPE) == image.recipe


def is_built_on(registry: Registry, image: Image, base: Image) -> bool:
    """Whether an image begins with the layers of its base; true for images from Docker Hub."""
    if not origin(registry, image):
        return True
    layers, below = (
        [blob["digest"] for blob in manifest.blobs()[1:]] if manifest else []
        for manifest in (for_machine(registry, each, each.reference) for each in (image, base))
    )
    return layers[: len(below)] == below


def origin(registry: Registry, image: Image) -> str | None:
    """How the course made an image; empty for one from Docker Hub, None if there is none."""
    manifest = for_machine(registry, image, image.reference)
    return labels(registry, image, manifest).get(ORIGIN, "") if manifest else None


def verify(
    registry: Registry, recorded: Mapping[str, str] = MappingProxyType({})
) -> list[ImageFinding]:
    """Read every blob of every image for this machine; check digests, sizes and platform.

    A tag in recorded must have the digest that is recorded there.
    """
    checked: dict[str, str] = {}
    return [
        _verify_one(registry, image, reference, checked, recorded)
        for image in images()
        for reference in image.references
    ]


def list_images(registry: Registry) -> list[ImageFinding]:
    """Every tag of the catalog with digest, size and origin, without reading layers."""
    findings = []
    for image in images():
        for reference in image.references:
            manifest = for_machine(registry, image, reference)
            if manifest is None:
                findings.append(ImageFinding(reference, fault="not in the registry"))
            else:
                findings.append(_found(registry, image, reference, manifest))
    return findings


def labels(registry: Registry, image: Image, manifest: Manifest) -> dict[str, str]:
    """The labels in an image's configuration; empty when it cannot be read."""
    try:
        config = _read(registry, image, manifest.document["config"]["digest"])
        return json.loads(config)["config"].get("Labels") or {}
    except (RegistryError, OSError, ValueError, KeyError):
        return {}


def _is_there(
    registry: Registry, image: Image, reference: str, recorded: Mapping[str, str]
) -> bool:
    tagged = registry.manifest(image.repository, reference.partition(":")[2])
    if tagged is None or recorded.get(reference, tagged.digest) != tagged.digest:
        return False
    manifest = _platform_manifest(registry, image, tagged)
    return manifest is not None and all(
        registry.blob_size(image.repository, blob["digest"]) == blob["size"]
        for blob in manifest.blobs()
    )


def for_machine(registry: Registry, image: Image, reference: str) -> Manifest | None:
    """The manifest of an image for this machine, or None."""
    tagged = registry.manifest(image.repository, reference.partition(":")[2])
    return _platform_manifest(registry, image, tagged) if tagged else None


def _platform_manifest(registry: Registry, image: Image, tagged: Manifest) -> Manifest | None:
    """The manifest for this machine: what is tagged, or what an index lists."""
    if not tagged.is_index:
        return tagged
    for entry in tagged.document["manifests"]:
        platform = entry.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture()):
            return registry.manifest(image.repository, entry["digest"])
    return None


def _found(registry: Registry, image: Image, reference: str, manifest: Manifest) -> ImageFinding:
    size = sum(blob["size"] for blob in manifest.blobs())
    origin = labels(registry, image, manifest).get(ORIGIN, "copied from Docker Hub")
    return ImageFinding(reference, manifest.digest, size, origin)


def _verify_one(
    registry: Registry,
    image: Image,
    reference: str,
    checked: dict[str, str],
    recorded: Mapping[str, str],
) -> ImageFinding:
    try:
        tagged = registry.manifest(image.repository, reference.partition(":")[2])
        manifest = _platform_manifest(registry, image, tagged) if tagged else None
    except RegistryError as error:
        return ImageFinding(reference, fault=f"its manifest cannot be read: {error.why}")
    if tagged and recorded.get(reference, tagged.digest) != tagged.digest:
        stored = recorded[reference][:19]
        return ImageFinding(
            reference, tagged.digest, fault=f"not the image that was stored, which was {stored}…"
        )
    if manifest is None:
        return ImageFinding(reference, fault=f"not in the registry for linux/{architecture()}")
    size = sum(blob["size"] for blob in manifest.blobs())
    for blob in manifest.blobs():
        digest = blob["digest"]
        if digest not in checked:
            checked[digest] = _fault(registry, image, blob)
        if checked[digest]:
            return ImageFinding(reference, manifest.digest, size, fault=checked[digest])
    found = _found(registry, image, reference, manifest)
    return ImageFinding(
        found.reference, found.digest, found.size, found.origin, _misfit(registry, image, manifest)
    )


def _misfit(registry: Registry, image: Image, manifest: Manifest) -> str:
    """What is wrong with the platform and layers in an image's configuration."""
    config = json.loads(_read(registry, image, manifest.document["config"]["digest"]))
    platform = f"{config.get('os')}/{config.get('architecture')}"
    if platform != f"linux/{architecture()}":
        return f"made for {platform}, not for linux/{architecture()}"
    if len(config["rootfs"]["diff_ids"]) != len(manifest.document["layers"]):
        return "configuration and manifest disagree about the number of layers"
    return ""


def _fault(registry: Registry, image: Image, blob: dict) -> str:
    short = blob["digest"][:19]
    counter, length = hashlib.sha256(), 0
    try:
        for piece in _pieces(registry, image, blob["digest"]):
            counter.update(piece)
            length += len(piece)
    except (RegistryError, OSError) as error:
        return f"blob {short}… cannot be read: {str(error).splitlines()[0][:120]}"
    if length != blob["size"]:
        return f"blob {short}… has {length} bytes instead of {blob['size']}"
    if f"sha256:{counter.hexdigest()}" != blob["digest"]:
        return f"blob {short}… does not have this digest"
    return ""


def _read(registry: Registry, image: Image, digest: str) -> bytes:
    return b"".join(_pieces(registry, image, digest))


def _pieces(registry: Registry, image: Image, digest: str) -> Iterator[bytes]:
    return registry.blob(image.repository, digest)
