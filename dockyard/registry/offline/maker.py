"""Builds the course's images from Debian packages, on any engine."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from graphlib import TopologicalSorter

import docker
from docker.errors import APIError, BuildError, DockerException

from dockyard.core.console import Say
from dockyard.core.labels import COURSE
from dockyard.core.thread_pool import thread_pool
from dockyard.registry import transfer
from dockyard.registry.api import Registry
from dockyard.registry.image_catalog import ORIGIN, RECIPE, Image, by_reference
from dockyard.registry.offline import debian_rootfs, mmdebstrap
from dockyard.registry.verify import is_complete, is_current

WORKERS = 2
BUILD = "dockyard.build"
"""Label of every stage of a build, with the name of the run."""

PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class Maker:
    """Builds images on an engine and pushes them to the registry.

    It gives them names that only this run uses, so a learner's own ``busybox:latest`` on the same
    engine stays what it is. Afterwards it removes from the engine, by these names and by label,
    everything that the run left.
    """

    def __init__(self, registry: Registry, client: docker.DockerClient, say: Say) -> None:
        self.registry = registry
        self.client = client
        self.say = say
        self.run = secrets.token_hex(4)
        self.architecture = client.version()["Arch"]
        name = self._name("mmdebstrap:1")
        self.mmdebstrap = mmdebstrap.MmdebstrapContainer(client, name, self.architecture)

    def make(self, absent: Sequence[Image]) -> None:
        """Build the images, two at a time, each as soon as its base exists.

        Raises RegistryError or DiskFull for the first that fails, after those already begun.
        """
        order = TopologicalSorter(self._with_bases(absent))
        order.prepare()
        running: dict[Future[None], Image] = {}
        try:
            with thread_pool(WORKERS) as pool:
                while order.is_active():
                    for image in order.get_ready():
                        running[pool.submit(self._make_one, image)] = image
                    for done in wait(running, return_when=FIRST_COMPLETED).done:
                        image = running.pop(done)
                        done.result()
                        order.done(image)
        finally:
            self._forget()

    def _with_bases(self, absent: Sequence[Image]) -> dict[Image, set[Image]]:
        needed: dict[Image, set[Image]] = {}
        rest = list(absent)
        while rest:
            image = rest.pop()
            needed[image] = {by_reference()[image.base]} if image.base else set()
            rest.extend(needed[image] - needed.keys())
        return needed

    def _make_one(self, image: Image) -> None:
        began = time.monotonic()
        if is_complete(self.registry, image) and is_current(self.registry, image):
            # It is only needed as a base, and the registry has it.
            self._take(image)
            return
        try:
            if image.suite:
                self._bootstrap(image)
            else:
                self._build(image)
        except (DockerException, OSError) as error:
            raise transfer.failure(f"{image.reference} could not be made.", str(error)) from None
        built = self.client.images.get(self._name(image.reference))
        for reference in image.references:
            transfer.push(self.registry, self.client, built, reference)
        self.say(f"made {image.reference} ({time.monotonic() - began:.0f} s)")

    def _name(self, reference: str) -> str:
        return f"dockyard-build/{self.run}/{reference}"

    def _take(self, image: Image) -> None:
        found = transfer.pull(self.registry, self.client, image.reference)
        found.tag(*self._name(image.reference).rsplit(":", 1))
        transfer.forget(self.registry, self.client, image.reference)

    def _labels(self, image: Image) -> dict[str, str]:
        return {
            COURSE: "1",
            ORIGIN: image.origin,
            RECIPE: image.recipe,
            "org.opencontainers.image.title": image.name,
            "org.opencontainers.image.description": image.purpose,
            "org.opencontainers.image.base.name": image.base,
        }

    def _bootstrap(self, image: Image) -> None:
        with transfer.scratch() as folder:
            run = mmdebstrap.on_host if mmdebstrap.host_can() else self.mmdebstrap.run
            archive = debian_rootfs.make(image, self.architecture, self._labels(image), folder, run)
            loaded = transfer.load(self.client, archive, image.reference)
        loaded.tag(*self._name(image.reference).rsplit(":", 1))

    def _build(self, image: Image) -> None:
        arguments = {
            "BASE": self._name(image.base),
            "PACKAGES": " ".join(image.packages),
            "BUILD": self.run,
            **{name: os.environ[name] for name in PROXIES if os.environ.get(name)},
        }
        try:
            self.client.images.build(
                path=str(image.context),
                tag=self._name(image.reference),
                buildargs=arguments,
                labels=self._labels(image),
                # apt reaches the mirror as the host does, whatever the settings of the bridge.
                network_mode="host",
                rm=True,
                forcerm=True,
                timeout=1800,
            )
        except BuildError as error:
            last = "".join(line.get("stream", "") for line in error.build_log)[-600:]
            why = f"{error.msg}\n{last.strip()}"
            raise transfer.failure(f"{image.reference} could not be built.", why) from None

    def _forget(self) -> None:
        ours = f"dockyard-build/{self.run}/"
        # Not images.list(), which inspects each image and fails when one was removed meanwhile.
        for built in self.client.api.images():
            for tag in built["RepoTags"] or ():
                if tag.startswith(ours):
                    self.client.images.remove(tag)
        before: set[str] = set()
        stages = self._stages()
        # In several rounds: an engine keeps a stage until what was built on it is removed.
        while stages != before:
            for stage in stages:
                with suppress(APIError):
                    self.client.images.remove(stage)
            before, stages = stages, self._stages()

    def _stages(self) -> set[str]:
        """The nameless images that this run left: stages of builds, and builds that failed."""
        filters = {"dangling": True, "label": f"{BUILD}={self.run}"}
        return {image["Id"] for image in self.client.api.images(filters=filters)}
