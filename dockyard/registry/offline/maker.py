"""Makes the course's images from Debian packages, on this host or, if need be, on an engine."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path

import docker

from dockyard.core import paths
from dockyard.core.console import Say
from dockyard.core.labels import COURSE
from dockyard.core.thread_pool import thread_pool
from dockyard.engine import discovery
from dockyard.exceptions import RegistryError
from dockyard.registry import transfer
from dockyard.registry.api import Registry
from dockyard.registry.image_catalog import ORIGIN, RECIPE, Image, by_reference, images
from dockyard.registry.offline import (
    debian_rootfs,
    mmdebstrap,
    oci_image,
    package_layer,
    static_image,
)
from dockyard.registry.offline.oci_image import StoredImage
from dockyard.registry.verify import for_machine

WORKERS = 2


@contextmanager
def _workplace() -> Iterator[Path]:
    """A folder in the home for the files of one making, without those of one that was killed.

    /tmp is often small, or in memory. One command makes images at a time, see fill().
    """
    folder = paths.home() / ".making"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place(image: Image) -> int:
    """The image's place in the catalog; one that is not there comes first."""
    places = {each.reference: place for place, each in enumerate(images())}
    return places.get(image.reference, -1)


class Maker:
    """Makes images and stores them in the registry, layer by layer, for the engine's machine.

    No engine is needed where this host can run mmdebstrap. Elsewhere the engine runs it in
    containers, whose image is removed afterwards. client may be None for this machine.
    """

    def __init__(
        self,
        registry: Registry,
        client: docker.DockerClient | None,
        say: Say,
        stored: Callable[[Image], None],
    ) -> None:
        self.registry = registry
        self.client = client
        self.say = say
        self.stored = stored
        self.architecture = client.version()["Arch"] if client else discovery.architecture()
        self.run: mmdebstrap.RunMmdebstrap = mmdebstrap.on_host
        self.bases: dict[Image, tuple[StoredImage, list[Path]]] = {}
        self.released: dict[str, int] = {}
        self.fetching = threading.Lock()
        self.asking = threading.Lock()

    def make(self, absent: Sequence[Image]) -> None:
        """Make the images in the order of the catalog, two at a time, each after its base.

        stored is called for each image that can be pulled. Raises RegistryError or DiskFull for
        the first that fails, after those already begun.
        """
        needed = self._with_bases(absent)
        order = TopologicalSorter(needed)
        order.prepare()
        ready: list[Image] = []
        running: dict[Future[None], Image] = {}
        with _workplace() as folder, self._runner():
            bases = set().union(*needed.values())
            with thread_pool(WORKERS) as pool:
                while order.is_active():
                    ready = sorted([*ready, *order.get_ready()], key=_place)
                    while ready and len(running) < WORKERS:
                        image = ready.pop(0)
                        if image in absent:
                            task = pool.submit(self._make_one, image, folder, image in bases)
                        else:
                            task = pool.submit(self._take, image, folder)
                        running[task] = image
                    for done in wait(running, return_when=FIRST_COMPLETED).done:
                        image = running.pop(done)
                        done.result()
                        order.done(image)

    def _with_bases(self, absent: Sequence[Image]) -> dict[Image, set[Image]]:
        needed: dict[Image, set[Image]] = {}
        rest = list(absent)
        while rest:
            image = rest.pop()
            needed[image] = {by_reference()[image.base]} if image.has_base else set()
            rest.extend(needed[image] - needed.keys())
        return needed

    @contextmanager
    def _runner(self) -> Iterator[None]:
        """Choose where mmdebstrap runs; remove its image afterwards."""
        if mmdebstrap.host_can() and self.architecture == discovery.architecture():
            self.run = mmdebstrap.on_host
            yield
        elif self.client is None:
            raise RegistryError(
                "The images cannot be made: this host cannot configure Debian's packages.",
                "It takes root or user namespaces, or an engine that runs.",
                "Start one:  python3 -m dockyard engine start",
            )
        else:
            name = f"dockyard-build/{secrets.token_hex(4)}/mmdebstrap:1"
            container = mmdebstrap.MmdebstrapContainer(self.client, name, self.architecture)
            self.run = container.run
            try:
                yield
            finally:
                container.forget()

    def _make_one(self, image: Image, folder: Path, is_base: bool) -> None:
        began = time.monotonic()
        try:
            below, archives = self._below(image)
            archives = [*archives, *self._layers(image, archives, folder)]
            born = self._born(image.root_suite)
            made = oci_image.store(
                *(self.registry, image, self.architecture, born),
                *(self._labels(image), below, archives[-1]),
            )
        except OSError as error:
            raise transfer.failure(f"{image.reference} could not be made.", str(error)) from None
        if is_base:
            self.bases[image] = made, archives
        else:
            archives[-1].unlink()
        self.say(f"made {image.reference} ({time.monotonic() - began:.0f} s)")
        self.stored(image)

    def _below(self, image: Image) -> tuple[StoredImage | None, list[Path]]:
        return self.bases[by_reference()[image.base]] if image.has_base else (None, [])

    def _layers(self, image: Image, base: list[Path], folder: Path) -> list[Path]:
        """Make the archive of the image's layer, after another of apt's lists for a Debian."""
        born = self._born(image.root_suite)
        if not image.base:
            root, lists = debian_rootfs.make(image, self.architecture, born, folder, self.run)
            return [lists, root]
        if image.has_base:
            return [package_layer.make(image, self.architecture, born, base, folder, self.run)]
        with self.fetching:
            program = static_image.fetch(image, self.architecture, folder)
        return [static_image.make(image, program, born, folder)]

    def _born(self, suite: str) -> int:
        with self.asking:
            if suite not in self.released:
                self.released[suite] = debian_rootfs.released(suite)
            return self.released[suite]

    def _take(self, image: Image, folder: Path) -> None:
        """Use an image as a base that the registry has."""
        manifest = for_machine(self.registry, image, image.reference)
        assert manifest, "it is complete"
        found = StoredImage.load(self.registry, image.repository, manifest)
        self.bases[image] = found, found.unpack(self.registry, folder)

    def _labels(self, image: Image) -> dict[str, str]:
        return {
            COURSE: "1",
            ORIGIN: image.origin,
            RECIPE: image.recipe,
            "org.opencontainers.image.title": image.name,
            "org.opencontainers.image.description": image.purpose,
            "org.opencontainers.image.base.name": image.base,
        }
