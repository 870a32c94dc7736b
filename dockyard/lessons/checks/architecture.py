"""The tasks of lesson 09: architecture."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief


def rename(probe: Probe) -> str:
    """The container of `curl` has the new name."""
    if probe.has_container("by-http"):
        raise NotYet("There still is a container called by-http.")
    container = probe.container("by-hand")
    if container.attrs["Config"]["Cmd"] != ["echo", "hello"]:
        raise NotYet("by-hand is not the container that was called by-http.")
    return "by-http is called by-hand now."


def layout(probe: Probe) -> str:
    """The folder's index leads to a manifest, and that to its blobs, all with the right digest."""
    folder = probe.attempt.work / "layout"
    _document(folder / "oci-layout")
    found = _document(folder / "index.json")
    while manifests := found.get("manifests"):
        found = json.loads(_blob(folder, manifests[0]["digest"]))
    parts = [found["config"], *found["layers"]]
    for part in parts:
        _blob(folder, part["digest"])
    config = json.loads(_blob(folder, found["config"]["digest"]))
    if config["config"].get("Cmd") != ["sh"]:
        raise NotYet("The image in the folder layout is not busybox.")
    return f"layout holds busybox: an index, a manifest, and {len(parts)} blobs with their digests."


def config(probe: Probe) -> str:
    """The file is what runc got for the guestbook on the boat."""
    try:
        found = json.loads(probe.file("config.json"))
        args, host = found["process"]["args"], found["hostname"]
    except (ValueError, KeyError, TypeError):
        raise NotYet("config.json is not what runc is given: no OCI configuration.") from None
    book = probe.running_there(probe.running("boat"), "book")
    if host != book["Config"]["Hostname"]:
        raise NotYet(f"config.json belongs to another container, which runs {brief(args)}.")
    return f"config.json is what runc was given for book; it runs {' '.join(args)}."


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        raise NotYet(f"There is no file {path.name} in the folder layout.") from None
    except ValueError:
        raise Broken(f"{path.name} is no JSON.") from None
    if not isinstance(found, dict):
        raise Broken(f"{path.name} is no JSON object.")
    return found


def _blob(folder: Path, digest: str) -> bytes:
    try:
        content = (folder / "blobs" / digest.replace(":", "/")).read_bytes()
    except OSError:
        raise NotYet(f"The blob {digest[:19]}… is missing in the folder layout.") from None
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
        raise Broken(f"The blob {digest[:19]}… has another content than its digest says.")
    return content
