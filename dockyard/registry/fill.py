"""Filling the course registry: from Docker Hub where it answers, else from Debian packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, DockerException, ImageNotFound

from dockyard import labels, paths, plugins
from dockyard.engine import packages
from dockyard.engine.base import Say
from dockyard.exceptions import DiskFull, RegistryError
from dockyard.process import Lock
from dockyard.registry.api import Registry
from dockyard.registry.catalogue import Image, images
from dockyard.registry.server import hub_answers
from dockyard.registry.verify import is_complete

HUB = "https://registry-1.docker.io"
ROOM_NEEDED = 2 * 1024**3
WORKERS = 2
ORIGIN = f"{labels.COURSE.partition('.')[0]}.origin"
# Building under names of its own keeps a learner's own busybox:latest where it points.
BUILD = "dockyard-build"

LEAN = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/lintian/*",
)
"""What the root file systems leave out: documentation and translations."""

LEFTOVERS = ("/var/cache/apt/*", "/var/lib/apt/lists/*", "/var/log/*.log")
"""What installing leaves behind and nobody needs."""


def hub() -> str:
    """Docker Hub's address; ``DOCKYARD_HUB`` names another registry in its place."""
    return os.environ.get("DOCKYARD_HUB", HUB)


def fill(registry: Registry, client: docker.DockerClient, say: Say, source: str = "auto") -> None:
    """Make every image of the catalogue present; what is there and whole is left alone.

    source is ``hub``, ``debian``, or ``auto``: Hub when it answers within three seconds.
    Raises RegistryError or DiskFull.
    """
    with Lock("fill", timeout=1800):
        absent = [image for image in images() if not is_complete(registry, image)]
        if not absent:
            return
        _check_room()
        if source == "auto":
            source = "hub" if hub_answers(hub()) else "debian"
        began = time.monotonic()
        if source == "hub" and (copied := [image for image in absent if image.hub]):
            say(f"copying {len(copied)} images from Docker Hub")
            _in_parallel(copied, lambda image: _copy_from_hub(registry, image, say))
            absent = [image for image in absent if not image.hub]
        if absent:
            say(f"making {len(absent)} images from Debian packages (a few minutes, once)")
            _Maker(registry, client, say).make(absent)
        say(f"the course registry is filled ({time.monotonic() - began:.0f} s)")


def _check_room() -> None:
    free = shutil.disk_usage(paths.home()).free
    if free < ROOM_NEEDED:
        raise DiskFull(
            f"Only {free / 1e9:.1f} GB are free in {paths.home()}.",
            f"The images of the lessons need {ROOM_NEEDED / 1e9:.1f} GB.",
            "Free some space, then:  python3 -m dockyard registry fill",
        )


def _in_parallel(chosen: list[Image], action) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(action, image) for image in chosen]:
            done.result()


def _copy_from_hub(registry: Registry, image: Image, say: Say) -> None:
    host = hub().partition("://")[2].replace("registry-1.docker.io", "docker.io")
    insecure = ["--src-tls-verify=false"] if hub().startswith("http://") else []
    for reference in image.references:
        source = f"docker://{host}/{image.repository}:{reference.partition(':')[2]}"
        target = f"docker://{registry.address}/library/{reference}"
        words = ["skopeo", "copy", "--quiet", "--all", *insecure, "--dest-tls-verify=false"]
        done = subprocess.run([*words, source, target], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RegistryError(
                f"{reference} could not be copied from Docker Hub.",
                done.stderr.strip()[-300:],
                "Make the images from Debian packages instead:  "
                "DOCKYARD_SOURCE=debian python3 -m dockyard registry fill",
            )
    say(f"copied {image.reference}")


class _Maker:
    """Makes images from Debian packages on an engine and pushes them."""

    def __init__(self, registry: Registry, client: docker.DockerClient, say: Say) -> None:
        self.registry = registry
        self.client = client
        self.say = say

    def make(self, absent: list[Image]) -> None:
        """Make the images in waves, so that bases come first; remove the build names."""
        wanted = self._with_bases(absent)
        try:
            ready: set[str] = set()
            while wanted:
                wave = [image for image in wanted if not image.base or image.base in ready]
                _in_parallel(wave, self._make_one)
                ready |= {image.reference for image in wave}
                wanted = [image for image in wanted if image not in wave]
        finally:
            self._forget_build_names()

    def _with_bases(self, absent: list[Image]) -> list[Image]:
        by_reference = {image.reference: image for image in images()}
        needed = {image.reference for image in absent}
        for image in reversed(images()):
            if image.reference in needed and image.base:
                needed.add(image.base)
        return [image for image in by_reference.values() if image.reference in needed]

    def _make_one(self, image: Image) -> None:
        began = time.monotonic()
        name = f"{BUILD}/{image.reference}"
        if is_complete(self.registry, image):
            self.client.images.pull(f"{self.registry.address}/library/{image.reference}").tag(name)
        elif image.suite:
            self._bootstrap(image, name)
        else:
            self._build(image, name)
        self._push(image, name)
        self.say(f"made {image.reference} ({time.monotonic() - began:.0f} s)")

    def _bootstrap(self, image: Image, name: str) -> None:
        with tempfile.TemporaryDirectory(dir=paths.home()) as folder:
            root = Path(folder) / "root.tar"
            words = [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEAN),
                '--aptopt=Acquire::Languages "none"',
                f"--customize-hook=rm -rf {' '.join(f'$1{path}' for path in LEFTOVERS)}",
                image.suite,
                root,
                plugins.debian_mirror(),
            ]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RegistryError(
                    f"The root file system of {image.reference} could not be made.",
                    done.stderr.strip()[-400:],
                    "Check the network, then:  python3 -m dockyard registry fill",
                )
            repository, _, tag = name.partition(":")
            self.client.api.import_image_from_file(
                str(root),
                repository=repository,
                tag=tag,
                changes=[
                    'CMD ["bash"]',
                    f'LABEL {labels.COURSE}=1 {ORIGIN}="{image.origin}"',
                ],
            )

    def _build(self, image: Image, name: str) -> None:
        try:
            self.client.images.build(
                path=str(image.context),
                tag=name,
                buildargs={"BASE": f"{BUILD}/{image.base}"},
                labels={labels.COURSE: "1", ORIGIN: image.origin},
                # apt reaches the mirror as the host does, whatever the bridge's settings.
                network_mode="host",
                rm=True,
                forcerm=True,
            )
        except BuildError as error:
            last = "".join(line.get("stream", "") for line in error.build_log)[-600:]
            raise RegistryError(
                f"{image.reference} could not be built: {error.msg}",
                last.strip(),
                "Check the network, then:  python3 -m dockyard registry fill",
            ) from None

    def _push(self, image: Image, name: str) -> None:
        built = self.client.images.get(name)
        for reference in image.references:
            repository, _, tag = reference.partition(":")
            target = f"{self.registry.address}/library/{repository}"
            built.tag(target, tag)
            try:
                for line in self.client.images.push(target, tag, stream=True, decode=True):
                    if "error" in line:
                        raise RegistryError(
                            f"{reference} could not be pushed to the course registry.",
                            f'"{line["error"]}"',
                            "Check the free space on the disk, then:  "
                            "python3 -m dockyard registry fill",
                        )
            finally:
                self.client.images.remove(f"{target}:{tag}", noprune=True)

    def _forget_build_names(self) -> None:
        for built in self.client.images.list():
            for tag in built.tags:
                if tag.startswith(f"{BUILD}/"):
                    self.client.images.remove(tag)


def pull_into(registry: Registry, client: docker.DockerClient, say: Say) -> None:
    """Make the images available under their plain names on an engine without the mirror.

    A name that the engine knows already is left as it is.
    """
    for image in images():
        for reference in image.references:
            if _known(client, reference):
                continue
            say(f"bringing {reference} to the engine")
            _bring(registry, client, reference)


def _known(client: docker.DockerClient, reference: str) -> bool:
    try:
        client.images.get(reference)
    except ImageNotFound:
        return False
    return True


def _bring(registry: Registry, client: docker.DockerClient, reference: str) -> None:
    away = f"{registry.address}/library/{reference}"
    repository, _, tag = reference.partition(":")
    try:
        client.images.pull(away).tag(repository, tag)
        client.images.remove(away, noprune=True)
    except (APIError, ImageNotFound):
        # The daemon lives in a machine of its own, where this loopback is another one.
        _load(registry, client, reference)


def _load(registry: Registry, client: docker.DockerClient, reference: str) -> None:
    if packages.which("skopeo") is None:
        raise RegistryError(
            f"{reference} could not be brought to the engine.",
            "Its daemon cannot reach this computer's loopback, and skopeo is missing.",
            "Pull it yourself:  docker pull " + reference,
        )
    with tempfile.TemporaryDirectory(dir=paths.home()) as folder:
        archive = Path(folder) / "image.tar"
        source = f"docker://{registry.address}/library/{reference}"
        target = f"docker-archive:{archive}:{reference}"
        subprocess.run(
            ["skopeo", "copy", "--quiet", "--src-tls-verify=false", source, target], check=True
        )
        try:
            with archive.open("rb") as content:
                client.images.load(content)
        except DockerException as error:
            raise RegistryError(f"{reference} could not be loaded.", str(error)[:200]) from None
