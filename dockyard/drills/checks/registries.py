"""Drills of lesson 08."""

from __future__ import annotations

import json

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet


def address(probe: Probe) -> str:
    """The name leads to the same image."""
    name = f"127.0.0.1:{probe['PORT']}/{probe['IMAGE']}:1"
    if probe.image_id(name) != probe.image_id("busybox:latest"):
        raise NotYet(f"{name} is another image than busybox.")
    return f"`docker push {name}` would send busybox there."


def push(probe: Probe) -> str:
    """The registry lists the tag."""
    probe.running(probe["REGISTRY"])
    status, text = probe.get(probe["PORT"], f"/v2/{probe['IMAGE']}/tags/list")
    if status != 200 or "2" not in (json.loads(text)["tags"] or ()):
        raise NotYet(f"The registry has no {probe['IMAGE']}:2.")
    return f"The registry has {probe['IMAGE']}:2."
