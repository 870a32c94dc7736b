"""Small but whole images for registries."""

import hashlib
import json
import subprocess
import sys

import pytest

from dockyard import registry
from dockyard.core import paths
from dockyard.engine import engine_root
from dockyard.engine.discovery import architecture
from dockyard.registry import server
from dockyard.registry.api import INDEXES, MANIFESTS, Manifest
from dockyard.registry.image_catalog import ORIGIN, RECIPE

TYPES = {
    "application/vnd.oci.image.manifest.v1+json": (
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar",
    ),
    "application/vnd.docker.distribution.manifest.v2+json": (
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
}
NOBODY = "http://127.0.0.1:9"

needs_docker_registry = pytest.mark.skipif(
    not engine_root.can_be_had(), reason="needs the program docker-registry"
)


def say(text):
    print(text)


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def put(reg, repository, content):
    reg.put_blob(repository, digest_of(content), iter([content]))
    return {"digest": digest_of(content), "size": len(content)}


def store_image(reg, image, *, tags=None, arch=None, labels=None, kind=MANIFESTS[1], files="files"):
    """Store a catalog entry as a small image, a layer on those of its base; return its manifest."""
    contents = ["files"] * (len(image.chain) - 1) + [files]
    layers = [
        f"{content} of {each.reference} for {arch}\n".encode() * 2000
        for each, content in zip(image.chain, contents, strict=True)
    ]
    config = {
        "os": "linux",
        "architecture": arch or architecture(),
        "config": {"Labels": labels or {ORIGIN: image.origin, RECIPE: image.recipe}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {
            "mediaType": TYPES[kind][0],
            **put(reg, image.repository, json.dumps(config).encode()),
        },
        "layers": [
            {
                "mediaType": TYPES[kind][1],
                **put(reg, image.repository, layer),
            }
            for layer in layers
        ],
    }
    content = json.dumps(document).encode()
    manifest = Manifest(content, kind, digest_of(content), document)
    for tag in image.tags if tags is None else tags:
        reg.put_manifest(image.repository, tag, manifest)
    return manifest


def store_index(reg, image):
    """Store an image for two kinds of machines; return the index."""
    entries = []
    for arch in (other_architecture(), architecture()):
        child = store_image(reg, image, tags=(), arch=arch, labels={"from": "hub"})
        reg.put_manifest(image.repository, child.digest, child)
        entries.append(
            {
                "mediaType": child.media_type,
                "digest": child.digest,
                "size": len(child.content),
                "platform": {"os": "linux", "architecture": arch},
            }
        )
    document = {"schemaVersion": 2, "mediaType": INDEXES[1], "manifests": entries}
    content = json.dumps(document).encode()
    for tag in image.tags:
        reg.put_manifest(
            image.repository, tag, Manifest(content, INDEXES[1], digest_of(content), document)
        )
    return document


def other_architecture():
    return "arm64" if architecture() == "amd64" else "amd64"


def digests(reg):
    return {finding.reference: finding.digest for finding in registry.list_images(reg)}


def read(reg, image, descriptor):
    return b"".join(reg.blob(image.repository, descriptor["digest"]))


def faults(findings):
    return {finding.reference: finding.fault for finding in findings if finding.fault}


def blob_file(digest):
    """Where the course registry keeps a blob."""
    number = digest.partition(":")[2]
    blobs = server.storage() / "docker/registry/v2/blobs/sha256"
    return blobs / number[:2] / number / "data"


def damage(digest):
    """Change a blob of the course registry; its size stays."""
    file = blob_file(digest)
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def command(*words):
    """Similar to ``python3 -m dockyard registry WORDS``."""
    return subprocess.run(
        [sys.executable, "-m", "dockyard", "registry", *words],
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
