"""Fills the course registry: from Docker Hub if it answers, else from Debian packages."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import docker
from docker.errors import ImageNotFound

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.exceptions import DiskFull, DockyardError, RegistryError, UsageError
from dockyard.registry import digests, hub, server, storage, transfer
from dockyard.registry.api import Registry
from dockyard.registry.image_catalog import Image, by_reference, images
from dockyard.registry.offline.maker import WORKERS, Maker
from dockyard.registry.verify import is_built_on, is_complete, is_current, origin

SOURCES = ("auto", "hub", "debian")
MB = 10**6
UNPACKED = 3.5
"""The room that a layer takes outside the registry, in sizes of the compressed layer."""

LISTS = 120
"""Megabytes of apt's lists of packages, unpacked and as an archive."""


def source(default: str = "auto") -> str:
    """Where images come from: what ``DOCKYARD_SOURCE`` says, else the default. See fill()."""
    return os.environ.get("DOCKYARD_SOURCE", default)


def fill(
    registry: Registry,
    client: docker.DockerClient | None,
    say: Say,
    source: str = "auto",
    *,
    deep: bool = False,
    all_platforms: bool = False,
    stored: Callable[[Image], None] = lambda image: None,
) -> None:
    """Store every image of the catalog that is missing, damaged or replaced; keep the others.

    source is ``hub``, ``debian`` or ``auto``: Docker Hub if it answers within three seconds, and
    Debian packages for the images that it refuses. With ``hub`` or ``debian``, images from the
    other source are replaced. deep reads every blob first; without it, only digests of tags and
    sizes of blobs are compared. all_platforms copies whole indexes from Hub, so that machines of
    other architectures can pull too; Hub counts each platform as a pull against the hourly
    allowance. stored is called for each image as soon as it can be pulled, from any thread.
    Raises RegistryError, DiskFull, Busy or UsageError.
    """
    if source not in SOURCES:
        raise UsageError(
            f"{source!r} is not a source of images.",
            next=f"Choose one of: {', '.join(SOURCES)}   (DOCKYARD_SOURCE=…)",
        )
    with Lock("fill", timeout=1800):
        recorded = digests.load()
        # What an earlier edition stored has no digests to compare with, so it is read once.
        if deep or not recorded or _absent(registry, recorded):
            for digest in storage.discard_damaged_blobs(client):
                say(f"discarding the damaged blob {digest[:19]}…")
        absent = _absent(registry, recorded)
        foreign = [image for image in images() if _is_foreign(registry, image, source)]
        outdated = [image for image in images() if not is_current(registry, image)]

        def done(image: Image) -> None:
            digests.add(registry, image)
            stored(image)

        for image in images():
            if image not in absent:
                stored(image)
        if absent or foreign or outdated:
            with server.writer(client) as writer:
                absent = [image for image in absent if not _restore(writer, image, recorded, say)]
                digests.forget(absent)
                for image in absent:
                    storage.discard_tags(image, client)
                wanted = [image for image in images() if image in absent or image in foreign]
                if wanted:
                    _fill(writer, client, wanted, say, source, all_platforms, done)
                _renew(writer, client, say, done, wanted)
        digests.record(registry)


def _absent(registry: Registry, recorded: Mapping[str, str]) -> list[Image]:
    return [image for image in images() if not is_complete(registry, image, recorded)]


def _is_foreign(registry: Registry, image: Image, source: str) -> bool:
    """Whether an image comes from the other source than the one that is asked for."""
    if source == "auto" or not image.hub:
        return False
    found = origin(registry, image)
    return found is not None and bool(found) is (source == "hub")


def _restore(writer: Registry, image: Image, recorded: Mapping[str, str], say: Say) -> bool:
    """Set an image's tags back to what was stored; return whether all of it is still there."""
    for reference in image.references:
        digest = recorded.get(reference, "")
        manifest = writer.manifest(image.repository, digest) if digest else None
        if manifest is None or manifest.digest != digest:
            return False
        with suppress(RegistryError):  # a part of it is missing
            writer.put_manifest(image.repository, reference.partition(":")[2], manifest)
    if not is_complete(writer, image, recorded):
        return False
    say(f"{image.reference} is again the image that was stored")
    return True


def _fill(
    registry: Registry,
    client: docker.DockerClient | None,
    absent: list[Image],
    say: Say,
    source: str,
    all_platforms: bool,
    stored: Callable[[Image], None],
) -> None:
    began = time.monotonic()
    chosen = source
    if source == "auto":
        chosen = "hub" if hub.answers() else "debian"
    if chosen == "hub":
        if source == "hub" and not hub.answers():
            raise RegistryError(
                f"Docker Hub does not answer at {hub.address()}.",
                "The network is down, or a proxy or firewall blocks the way.",
                "Make the images from Debian packages instead:  "
                "DOCKYARD_SOURCE=debian python3 -m dockyard registry fill",
            )
        there = [image for image in absent if image.hub or hub.has_courses_own(image)]
        check_room(there, made=False)
        say(f"copying {len(there)} images from Docker Hub")
        only = source == "hub"
        refused = hub.copy_all(registry, client, there, say, all_platforms, only, stored)
        absent = [image for image in absent if image in refused or image not in there]
    if absent:
        check_room(absent)
        say(f"making {len(absent)} images from Debian packages (a few minutes, once)")
        Maker(registry, client, say, stored).make(absent)
    say(f"the course registry is filled ({time.monotonic() - began:.0f} s)")


def _renew(
    registry: Registry,
    client: docker.DockerClient | None,
    say: Say,
    stored: Callable[[Image], None],
    fetched: Sequence[Image],
) -> None:
    """Rebuild images whose recipe or base has changed; keep the older ones when that fails.

    fetched are the images that were just stored anew.
    """
    outdated: list[Image] = []
    for image in images():
        base = by_reference().get(image.base)
        replaced = base and base in fetched and not is_built_on(registry, image, base)
        if base in outdated or replaced or not is_current(registry, image):
            outdated.append(image)
    if not outdated:
        return
    say(f"renewing {len(outdated)} images whose recipe or base has changed")
    digests.forget(outdated)
    try:
        check_room(outdated)
        Maker(registry, client, say, stored).make(outdated)
    except DockyardError as error:
        say(f"keeping the older ones: {error.what} {error.why[:200]}")


def check_room(absent: Sequence[Image], *, made: bool = True) -> None:
    """Raise DiskFull when the home's disk does not have enough room for the images.

    made says that they are made here, not copied.
    """
    needed = sum(image.megabytes for image in absent) + (_working_room(absent) if made else 0)
    free = shutil.disk_usage(paths.store()).free
    if free < needed * MB:
        raise DiskFull(
            f"Only {free / MB:.0f} MB are free in {paths.store()}.",
            f"The images that are missing need about {needed:.0f} MB.",
            "Free some space, then:  python3 -m dockyard registry fill",
        )


def _working_room(making: Sequence[Image]) -> float:
    """Megabytes for the bases, which stay, and for the largest images that are made at once."""
    chains = [image.chain for image in making]
    bases = {base for chain in chains for base in chain[:-1]}
    kept = sum(base.megabytes * UNPACKED + LISTS for base in bases)
    # Each is unpacked with its bases; its own layer is also an archive, twice.
    single = [
        UNPACKED * (sum(image.megabytes for image in chain) + 2 * chain[-1].megabytes) + LISTS
        for chain in chains
    ]
    return kept + sum(sorted(single)[-WORKERS:])


def pull_into(
    registry: Registry, client: docker.DockerClient, say: Say, references: Sequence[str]
) -> None:
    """Copy images to an engine that has no mirror, under their plain names.

    references are names with tags. A name that the engine has already is kept, whatever it means
    there. Raises RegistryError or DiskFull.
    """
    for name in references:
        if _known(client, name):
            continue
        say(f"copying {name} to the engine")
        found = transfer.pull(registry, client, name)
        # Checked again: somebody may have pulled it meanwhile, and their tag must not move.
        if not _known(client, name):
            found.tag(*name.split(":"))
        transfer.forget(registry, client, name)


def _known(client: docker.DockerClient, reference: str) -> bool:
    try:
        client.images.get(reference)
    except ImageNotFound:
        return False
    return True
