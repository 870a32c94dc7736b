"""The tasks of lesson 08: registries."""

from __future__ import annotations

import hashlib

from docker.errors import ImageNotFound

from dockyard.labs.checks.registries import Address
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief

PORT = 8090
SAFE_PORT = 8092
PASSWORD = "sesame"


def stable(probe: Probe) -> str:
    """The tag stable names the same image as the tag 1."""
    registry = Address(PORT)
    wanted = _digest(registry, "1")
    if wanted is None:
        raise NotYet("The registry at port 8090 has no guestbook:1.")
    found = _digest(registry, "stable")
    if found is None:
        raise NotYet(
            "The registry at port 8090 has no guestbook:stable.",
            mistake="tag-sends-nothing"
            if _is_here(probe, f"127.0.0.1:{PORT}/guestbook:stable")
            else None,
        )
    if found != wanted:
        # imagetools puts an index of its own around a plain manifest.
        index = registry.ask("/v2/guestbook/manifests/stable").document()
        if [each["digest"] for each in index.get("manifests", ())] != [wanted]:
            raise NotYet("In the registry, guestbook:stable is another image than guestbook:1.")
        return "In the registry, the tag stable is an index with the image of tag 1."
    return "In the registry, the tags stable and 1 have the same digest."


def config(probe: Probe) -> str:
    """The file is the blob that the manifest names as the configuration."""
    found = probe.file("config.json")
    registry = Address(PORT)
    document = registry.ask("/v2/guestbook/manifests/1").document()
    if manifests := document.get("manifests"):
        document = registry.ask(f"/v2/guestbook/manifests/{manifests[0]['digest']}").document()
    digest = f"sha256:{hashlib.sha256(found.encode()).hexdigest()}"
    if digest != document.get("config", {}).get("digest"):
        raise NotYet(f"config.json is not the configuration; it says {brief(found)[:60]}")
    return "config.json is the configuration of guestbook:1: its SHA-256 is the right digest."


def pinned(probe: Probe) -> str:
    """The container's image is named by its digest, and is version 1."""
    container = probe.container("pinned")
    name = container.attrs["Config"]["Image"]
    if "@sha256:" not in name:
        raise NotYet(
            f"pinned was made from {name[:60]}.",
            mistake="id-is-not-the-digest" if name.startswith("sha256:") else None,
        )
    version = probe.variables(container).get("GUESTBOOK_VERSION")
    if version != "1":
        raise NotYet(f"pinned was made by digest, from version {version} of the guestbook.")
    probe.running("pinned")
    return "pinned runs version 1, by its digest."


def published(probe: Probe) -> str:
    """The registry with TLS and a password holds the image."""
    certificate = probe.read(probe.running("safe"), "/keys/cert.pem")
    if _digest(Address(SAFE_PORT, certificate, PASSWORD), "2") is None:
        raise NotYet(f"The registry at port {SAFE_PORT} has no guestbook:2.")
    return f"The registry at port {SAFE_PORT} has guestbook:2."


def deployed(probe: Probe) -> str:
    """The guestbook runs on the server, from the registry safe."""
    server = probe.running("server")
    probe.not_here("guestbook", server)
    found = probe.running_there(server, "guestbook")
    image = found["Config"]["Image"]
    if not image.startswith("safe:5000/guestbook"):
        raise NotYet(f"guestbook on server was made from {image[:60]}.")
    return f"On server, guestbook runs from {image}."


def _digest(registry: Address, tag: str) -> str | None:
    """The digest of a tag of the guestbook in a registry; None when there is none."""
    answer = registry.ask(f"/v2/guestbook/manifests/{tag}")
    return answer.headers.get("Docker-Content-Digest") if answer.status == 200 else None


def _is_here(probe: Probe, reference: str) -> bool:
    try:
        probe.daemon.images.get(reference)
    except ImageNotFound:
        return False
    return True
