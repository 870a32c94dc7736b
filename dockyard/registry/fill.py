"""Filling the course registry: from Docker Hub where it answers, else from Debian packages."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence

import docker
from docker.errors import ImageNotFound

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.exceptions import DiskFull, DockyardError, RegistryError, UsageError
from dockyard.registry import hub, server, transfer
from dockyard.registry.api import Registry
from dockyard.registry.image_catalog import Image, images
from dockyard.registry.offline.maker import Maker
from dockyard.registry.verify import damaged_blobs, is_complete, is_current

SOURCES = ("auto", "hub", "debian")
MB = 10**6
# The registry's copy, the engine's unpacked one while it is made, and the archive between them.
ROOM_FACTOR = 6


def fill(
    registry: Registry,
    client: docker.DockerClient,
    say: Say,
    source: str = "auto",
    *,
    deep: bool = False,
    all_platforms: bool = False,
) -> None:
    """Make every image of the catalogue present; what is there and whole is left alone.

    source is ``hub``, ``debian``, or ``auto``: Hub when it answers within three seconds, and
    Debian packages for what Hub does not hand out. deep reads every blob first and replaces the
    damaged ones, where otherwise only names and sizes are compared. all_platforms copies whole
    indexes from Hub, so that machines of other architectures can pull too; Hub counts each
    platform as a pull against the hourly allowance. Raises RegistryError, DiskFull or
    UsageError.
    """
    if source not in SOURCES:
        raise UsageError(
            f"{source!r} is no source of images.",
            next=f"Choose one of: {', '.join(SOURCES)}   (DOCKYARD_SOURCE=…)",
        )
    with Lock("fill", timeout=1800):
        if deep:
            for digest in damaged_blobs(registry):
                say(f"discarding the damaged blob {digest[:19]}…")
                server.discard_blob(digest, client=client)
        absent = [image for image in images() if not is_complete(registry, image)]
        if absent:
            _fill(registry, client, absent, say, source, all_platforms)
        _renew(registry, client, say)


def _fill(
    registry: Registry,
    client: docker.DockerClient,
    absent: list[Image],
    say: Say,
    source: str,
    all_platforms: bool,
) -> None:
    check_room(absent)
    began = time.monotonic()
    chosen = source
    if source == "auto":
        chosen = "hub" if hub.answers() else "debian"
    if chosen == "hub":
        if source == "hub" and not hub.answers():
            raise RegistryError(
                f"Docker Hub does not answer at {hub.address()}.",
                "There is no way to it from here, or a proxy or firewall keeps it away.",
                "Make the images from Debian packages instead:  "
                "DOCKYARD_SOURCE=debian python3 -m dockyard registry fill",
            )
        there = [image for image in absent if image.hub]
        say(f"copying {len(there)} images from Docker Hub")
        refused = hub.copy_all(registry, client, there, say, all_platforms, source == "hub")
        absent = [image for image in absent if image in refused or not image.hub]
    if absent:
        say(f"making {len(absent)} images from Debian packages (a few minutes, once)")
        Maker(registry, client, say).make(absent)
    say(f"the course registry is filled ({time.monotonic() - began:.0f} s)")


def _renew(registry: Registry, client: docker.DockerClient, say: Say) -> None:
    """Make images of an earlier edition's recipe anew; keep them where that fails."""
    outdated = [image for image in images() if not is_current(registry, image)]
    if not outdated:
        return
    say(f"renewing {len(outdated)} images whose recipe has changed")
    try:
        check_room(outdated)
        Maker(registry, client, say).make(outdated)
    except DockyardError as error:
        say(f"keeping the older ones: {error.what} {error.why[:200]}")


def check_room(absent: Sequence[Image]) -> None:
    """Raise DiskFull when the home's disk has not enough room for the images."""
    needed = sum(image.megabytes for image in absent) * ROOM_FACTOR * MB
    free = shutil.disk_usage(paths.home()).free
    if free < needed:
        raise DiskFull(
            f"Only {free / MB:.0f} MB are free in {paths.home()}.",
            f"The images that are missing need about {needed / MB:.0f} MB.",
            "Free some space, then:  python3 -m dockyard registry fill",
        )


def pull_into(
    registry: Registry, client: docker.DockerClient, say: Say, references: Sequence[str]
) -> None:
    """Make images available under their plain names on an engine without the mirror.

    references are names of the catalogue, with their tags. A name that the engine knows already
    is left as it is, whatever it points at. Raises RegistryError or DiskFull.
    """
    for name in references:
        if _known(client, name):
            continue
        say(f"bringing {name} to the engine")
        found = transfer.pull(registry, client, name)
        # Asked again: somebody may have pulled it in the meantime, and a tag must not move.
        if not _known(client, name):
            found.tag(*name.split(":"))
        transfer.forget(registry, client, name)


def _known(client: docker.DockerClient, reference: str) -> bool:
    try:
        client.images.get(reference)
    except ImageNotFound:
        return False
    return True
