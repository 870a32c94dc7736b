"""Copies the course's images from Docker Hub, or from a registry in its place."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence

import docker
import requests
from docker.errors import APIError, ImageNotFound

from dockyard.core.console import Say
from dockyard.core.thread_pool import thread_pool
from dockyard.engine.discovery import architecture
from dockyard.exceptions import RegistryError
from dockyard.registry import programs, transfer
from dockyard.registry.api import INDEXES, MANIFESTS, Registry
from dockyard.registry.image_catalog import Image

HUB = "https://registry-1.docker.io"
WORKERS = 2
TIMEOUT = 16
"""Seconds in which Docker Hub has to say whether it gives an image."""


def address() -> str:
    """The URL of Docker Hub, or of the registry that ``DOCKYARD_HUB`` names in its place."""
    return os.environ.get("DOCKYARD_HUB", HUB).rstrip("/")


def answers(timeout: float = 3) -> bool:
    """Whether Docker Hub answers (see address()). timeout is in seconds."""
    try:
        return requests.get(f"{address()}/v2/", timeout=timeout).status_code in (200, 401)
    except requests.RequestException:
        return False


def refusal(image: Image, reference: str) -> str:
    """Why Docker Hub would not give an image now; empty when it would. Takes at most TIMEOUT.

    skopeo waits and tries again for minutes when it is told that there were too many requests. Asks
    with HEAD, which Docker Hub does not count as a pull.
    """
    tag = reference.partition(":")[2]
    target = f"{address()}/v2/{image.repository}/manifests/{tag}"
    accept = {"Accept": ", ".join(INDEXES + MANIFESTS)}
    try:
        answer = requests.head(target, headers=accept, timeout=TIMEOUT / 4)
        if answer.status_code == 401:
            token = _token(answer.headers.get("WWW-Authenticate", ""))
            accept["Authorization"] = f"Bearer {token}"
            answer = requests.head(target, headers=accept, timeout=TIMEOUT / 4)
    except (requests.RequestException, ValueError, KeyError) as error:
        return f"it does not answer as a registry does ({type(error).__name__})"
    if answer.status_code in (200, 404):
        return ""  # what is missing, skopeo says at once, in the registry's own words
    later = answer.headers.get("Retry-After", "")
    again = f"; it says to try again in {later[:20]} s" if later.isdecimal() else ""
    return f"it answers {answer.status_code} {answer.reason[:60]}{again}"


def has_courses_own(image: Image) -> bool:
    """Whether the registry in Docker Hub's place is that of another home, and has this image."""
    if address() == HUB:
        return False
    accept = {"Accept": ", ".join(INDEXES + MANIFESTS)}
    try:
        return all(
            requests.head(
                f"{address()}/v2/{image.repository}/manifests/{reference.partition(':')[2]}",
                headers=accept,
                timeout=TIMEOUT / 4,
            ).ok
            for reference in image.references
        )
    except requests.RequestException:
        return False


def _token(challenge: str) -> str:
    """A token for reading without a log-in. Raises RequestException, ValueError or KeyError."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = {name: asked[name] for name in ("service", "scope") if name in asked}
    found = requests.get(asked["realm"], params=query, timeout=TIMEOUT / 4)
    return str(found.json()["token"])


def _host() -> str:
    return address().partition("://")[2].replace("registry-1.docker.io", "docker.io")


def copy_all(
    registry: Registry,
    client: docker.DockerClient | None,
    absent: Sequence[Image],
    say: Say,
    all_platforms: bool,
    only: bool,
    stored: Callable[[Image], None] = lambda image: None,
) -> list[Image]:
    """Copy images from Docker Hub, two at a time; return those that it refused.

    only says that there is no other source: then the first refusal raises RegistryError. stored
    is called for each image that was copied.
    """
    copy = _with_skopeo if programs.argv("skopeo") else _through_the_engine
    refused: list[Image] = []

    def one(image: Image) -> None:
        began = time.monotonic()
        try:
            for reference in image.references:
                if reason := refusal(image, reference):
                    raise RegistryError(
                        f"{reference} could not be copied from Docker Hub.",
                        f"At {address()}: {reason}.",
                        "Try again later, or make the images from Debian packages:  "
                        "DOCKYARD_SOURCE=debian python3 -m dockyard registry fill",
                    )
                copy(registry, client, image, reference, all_platforms)
        except RegistryError as error:
            if only:
                raise
            say(f"{image.reference} did not come from Docker Hub: {error.why[:120]}")
            refused.append(image)
        else:
            say(f"copied {image.reference} ({time.monotonic() - began:.0f} s)")
            stored(image)

    _in_parallel(absent, one)
    return [image for image in absent if image in refused]


def _in_parallel(chosen: Sequence[Image], action: Callable[[Image], None]) -> None:
    with thread_pool(WORKERS) as pool:
        for done in [pool.submit(action, image) for image in chosen]:
            done.result()


def _with_skopeo(
    registry: Registry,
    client: docker.DockerClient | None,
    image: Image,
    reference: str,
    all_platforms: bool,
) -> None:
    platforms = ["--all"] if all_platforms else ["--override-os=linux"]
    if not all_platforms:
        platforms.append(f"--override-arch={architecture()}")
    transfer.store(
        registry,
        f"docker://{_host()}/{image.repository}:{reference.partition(':')[2]}",
        reference,
        *platforms,
        *(["--src-tls-verify=false"] if address().startswith("http://") else []),
        "--preserve-digests",
        "--retry-times=1",
        what=f"{reference} could not be copied from Docker Hub.",
    )


def _through_the_engine(
    registry: Registry,
    client: docker.DockerClient | None,
    image: Image,
    reference: str,
    all_platforms: bool,
) -> None:
    """Pull and push, where skopeo is missing; by digest, so that no tag of the engine moves."""
    remote = f"{_host()}/{image.repository}"
    if client is None:
        raise RegistryError(
            f"{reference} could not be copied from Docker Hub.",
            "That takes the program skopeo or an engine that runs.",
            "Start an engine:  python3 -m dockyard engine start",
        )
    try:
        digest = client.images.get_registry_data(f"{remote}:{reference.partition(':')[2]}").id
        name = f"{remote}@{digest}"
        # Not images.list(), which inspects each image and fails when one was removed meanwhile.
        known: set[str] = set()
        for found in client.api.images():
            known.update(found["RepoDigests"] or (), found["RepoTags"] or ())
        pulled = client.images.pull(name)
        transfer.push(registry, client, pulled, reference)
        # The engine calls docker.io/library/busybox busybox.
        if name.removeprefix("docker.io/").removeprefix("library/") not in known:
            client.images.remove(name)
    except (APIError, ImageNotFound) as error:
        raise transfer.failure(
            f"{reference} could not be copied from Docker Hub.", str(error)
        ) from None
