"""Assembles images from layers and stores them in a registry, without an engine.

OCI Image Specification: Image Manifest, Image Configuration, Image Layer Filesystem Changeset.
"""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from dockyard.registry.api import CHUNK, MANIFESTS, Manifest, Registry
from dockyard.registry.image_catalog import Image

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

LEVEL = 5
"""Of gzip: 9 takes six times as long for 1 % less."""


@dataclass(frozen=True)
class StoredImage:
    """An image in a registry: its repository, configuration and descriptors of layers."""

    repository: str
    config: dict[str, Any]
    layers: list[dict[str, Any]]

    @classmethod
    def load(cls, registry: Registry, repository: str, manifest: Manifest) -> StoredImage:
        """The image of a manifest. Raises RegistryError."""
        config = b"".join(registry.blob(repository, manifest.document["config"]["digest"]))
        return cls(repository, json.loads(config), manifest.document["layers"])

    def unpack(self, registry: Registry, folder: Path) -> list[Path]:
        """Write the layers as uncompressed archives into folder, lowest first."""
        archives = []
        for layer in self.layers:
            target = folder / f"{layer['digest'].partition(':')[2]}.tar"
            with target.open("wb") as file:
                inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip
                for piece in registry.blob(self.repository, layer["digest"]):
                    file.write(inflate.decompress(piece))
                file.write(inflate.flush())
            archives.append(target)
        return archives


def store(
    registry: Registry,
    image: Image,
    architecture: str,
    born: int,
    labels: Mapping[str, str],
    base: StoredImage | None,
    archive: Path,
) -> StoredImage:
    """Store an image that has the layers of base and one more, under all its tags.

    born is the time in its configuration. Raises RegistryError.
    """
    packed = archive.with_suffix(".tar.gz")
    try:
        diff_id = _compress(archive, packed)
        layer = _put(registry, image, LAYER, packed)
    finally:
        packed.unlink(missing_ok=True)
    layers = [*(base.layers if base else ()), layer]
    for lower in layers[:-1]:
        assert base
        registry.mount_blob(image.repository, lower["digest"], base.repository)
    config = _config(image, architecture, born, labels, base, diff_id)
    content = json.dumps(config, sort_keys=True).encode()
    stored = StoredImage(image.repository, config, layers)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFESTS[0],
        "config": _put_bytes(registry, image, CONFIG, content),
        "layers": layers,
    }
    manifest = Manifest.parse(json.dumps(document).encode(), MANIFESTS[0])
    for tag in image.tags:
        registry.put_manifest(image.repository, tag, manifest)
    return stored


def _compress(archive: Path, packed: Path) -> str:
    """Compress a layer; return the digest of what is in it."""
    plain = hashlib.sha256()
    with (
        archive.open("rb") as source,
        packed.open("wb") as target,
        gzip.GzipFile("", "wb", LEVEL, target, mtime=0) as compressed,
    ):
        while piece := source.read(CHUNK):
            plain.update(piece)
            compressed.write(piece)
    return f"sha256:{plain.hexdigest()}"


def _put(registry: Registry, image: Image, media_type: str, file: Path) -> dict[str, Any]:
    with file.open("rb") as content:
        digest = f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"
        content.seek(0)
        registry.put_blob(image.repository, digest, _pieces(content))
    return {"mediaType": media_type, "digest": digest, "size": file.stat().st_size}


def _put_bytes(registry: Registry, image: Image, media_type: str, content: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    registry.put_blob(image.repository, digest, iter([content]))
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(CHUNK):
        yield piece


def _config(
    image: Image,
    architecture: str,
    born: int,
    labels: Mapping[str, str],
    base: StoredImage | None,
    diff_id: str,
) -> dict[str, Any]:
    created = datetime.fromtimestamp(born, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    below: dict[str, Any] = copy.deepcopy(base.config) if base else {"config": {"Env": [PATH]}}
    settings = _settings(image, below["config"], labels)
    steps: list[dict[str, Any]] = [{"created": created, "created_by": image.step}]
    steps += [
        {"created": created, "created_by": line, "empty_layer": True} for line in image.instructions
    ]
    return {
        "architecture": architecture,
        "config": settings,
        "created": created,
        "history": below.get("history", []) + steps,
        "os": "linux",
        "rootfs": {
            "type": "layers",
            "diff_ids": [*below.get("rootfs", {}).get("diff_ids", ()), diff_id],
        },
    }


def _settings(image: Image, below: dict[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """The settings of containers: those of the base, changed as a Dockerfile changes them."""
    variables = [*below.get("Env", ()), *image.env]
    env = dict(variable.split("=", 1) for variable in variables)
    settings = below | {
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Labels": dict(labels),
    }
    if image.entrypoint:
        settings["Entrypoint"] = list(image.entrypoint)
        settings.pop("Cmd", None)
    if image.cmd is not None:
        settings["Cmd"] = list(image.cmd)
    if image.workdir:
        settings["WorkingDir"] = image.workdir
    if image.stopsignal:
        settings["StopSignal"] = image.stopsignal
    for key, names in (("ExposedPorts", image.expose), ("Volumes", image.volumes)):
        if names:
            settings[key] = settings.get(key, {}) | {name: {} for name in names}
    return settings
