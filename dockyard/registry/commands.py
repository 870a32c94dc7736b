"""``registry fill|list|verify|export|import``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from dockyard import client
from dockyard.engine.base import Say
from dockyard.exceptions import UsageError
from dockyard.registry import archive, server
from dockyard.registry.api import Registry
from dockyard.registry.catalogue import images
from dockyard.registry.fill import fill
from dockyard.registry.verify import Finding, verify


def run(action: str, file: str | None, say: Say, *, as_json: bool) -> int:
    """Carry out one action; returns the exit code."""
    if (action in ("export", "import")) != (file is not None):
        expected = "needs a file" if file is None else "takes no file"
        raise UsageError(
            f"registry {action} {expected}.",
            next="For example:  python3 -m dockyard registry export course.tar",
        )
    registry = server.find()
    match action:
        case "fill":
            daemon = client.connect(timeout=600)
            try:
                fill(registry, daemon, say, os.environ.get("DOCKYARD_SOURCE", "auto"))
            finally:
                daemon.close()
        case "export":
            say(f"{archive.export_archive(registry, Path(file))} tags are in {file}")
        case "import":
            say(f"{archive.import_archive(registry, Path(file))} tags came from {file}")
        case "verify" | "list":
            return _report(action, registry, say, as_json)
    return 0


def _report(action: str, registry: Registry, say: Say, as_json: bool) -> int:
    findings = verify(registry) if action == "verify" else list_images(registry)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            size = f"{finding.size / 1e6:7.1f} MB" if finding.size else " " * 10
            print(f"{finding.reference:24} {size}  {finding.fault or finding.digest}")
    faults = [finding for finding in findings if finding.fault]
    if faults and not as_json:
        say(f"{len(faults)} tags are not right; mend them:  python3 -m dockyard registry fill")
    return 1 if faults else 0


def list_images(registry: Registry) -> list[Finding]:
    """Every tag of the catalogue with digest and size, read from the manifests alone."""
    findings = []
    for image in images():
        for reference in image.references:
            manifest = registry.manifest(image.repository, reference.partition(":")[2])
            if manifest is None:
                findings.append(Finding(reference, fault="not in the registry"))
            else:
                size = sum(blob["size"] for blob in manifest.blobs())
                findings.append(Finding(reference, manifest.digest, size))
    return findings
