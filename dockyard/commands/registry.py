"""``registry fill|list|verify|export|import``."""

from __future__ import annotations

import argparse
import json
import os
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from dockyard.core import docker_client
from dockyard.core.console import say
from dockyard.exceptions import UsageError
from dockyard.registry import digests, server
from dockyard.registry.api import Registry
from dockyard.registry.archive import export_archive, import_archive
from dockyard.registry.fill import fill, source
from dockyard.registry.verify import ImageFinding, list_images, verify


def run(options: argparse.Namespace) -> int:
    """Run one action; return the exit code.

    With ``--json``, ``fill`` prints the same as ``list``, and ``export`` and ``import`` print the
    number of tags.
    """
    action, file, as_json = options.action, options.file, options.json
    if (action in ("export", "import")) != (file is not None):
        expected = "needs a file" if file is None else "takes no file"
        raise UsageError(
            f"registry {action} {expected}.",
            next="For example:  python3 -m dockyard registry export course.tar",
        )
    if action == "fill":
        registry = server.find()
        _fill(registry)
        return _report("list", registry, as_json) if as_json else 0
    with server.available(say) as registry:
        if file is None:
            return _report(action, registry, as_json)
        if action == "export":
            tags, what = export_archive(registry, Path(file)), "are in"
        else:
            tags, what = _import(Path(file)), "came from"
    if as_json:
        print(json.dumps({"file": file, "tags": tags}, indent=1))
    else:
        say(f"{tags} tags {what} {file}")
    return 0


def _import(file: Path) -> int:
    if not server.in_container():
        return import_archive(file)
    with closing(docker_client.connect(timeout=600)) as daemon:
        return import_archive(file, daemon)


def _fill(registry: Registry) -> None:
    every = os.environ.get("DOCKYARD_PLATFORMS") == "all"
    with closing(docker_client.connect(timeout=600)) as daemon:
        fill(registry, daemon, say, source(), deep=True, all_platforms=every)


def _report(action: str, registry: Registry, as_json: bool) -> int:
    findings = _verify(registry) if action == "verify" else list_images(registry)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            size = f"{finding.size / 1e6:7.1f} MB" if finding.size else " " * 10
            what = finding.fault or f"{finding.digest[:19]}…  {finding.origin}"
            print(f"{finding.reference:20} {size}  {what}")
    faults = [finding for finding in findings if finding.fault]
    if faults and not as_json:
        say(f"{len(faults)} tags are not right; repair them:  python3 -m dockyard registry fill")
    return 1 if faults else 0


def _verify(registry: Registry) -> list[ImageFinding]:
    recorded = digests.load()
    findings = verify(registry, recorded)
    # An earlier edition of the course filled this registry and recorded no digests.
    if not recorded and not any(finding.fault for finding in findings):
        digests.record(registry)
    return findings
