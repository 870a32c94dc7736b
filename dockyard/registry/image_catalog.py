"""The catalog of images: images.toml, whose first lines explain its keys.

[[images]]    an Image; `from` is its base
platforms     the platforms that images from Docker Hub can have
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import msgspec

from dockyard.core import data_file
from dockyard.core.data_file import Record
from dockyard.engine import engine_root

FILE = Path(__file__).with_name("images.toml")
ORIGIN = "dockyard.origin"
"""Label that says how an image was made; images from Docker Hub do not have it."""

EDITION = 2
"""Raised when all images have to be made anew, because the way of making them has changed."""

SCRATCH = "scratch"
"""The base of an image that has none, as in a Dockerfile."""

RECIPE = "dockyard.recipe"
"""Label with the recipe by which an image was made."""


class Image(Record):
    """One image of the lessons. Lessons use its first tag."""

    name: str
    tags: tuple[str, ...]
    purpose: str
    megabytes: int
    base: str = msgspec.field(default="", name="from")
    variant: str = ""
    suite: str = ""
    packages: tuple[str, ...] = ()
    engine: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    keep: str = ""
    env: tuple[str, ...] = ()
    workdir: str = ""
    volumes: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    stopsignal: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    hub: bool = True
    """Whether Docker Hub has it; the course's own images are always made from packages."""

    @property
    def reference(self) -> str:
        """Name and first tag, as lessons write it."""
        return self.references[0]

    @property
    def references(self) -> list[str]:
        """Name and tag, for every tag."""
        return [f"{self.name}:{tag}" for tag in self.tags]

    @property
    def repository(self) -> str:
        """The full name of the repository, as on Docker Hub."""
        return f"library/{self.name}"

    @property
    def context(self) -> Path:
        """The folder with ``files``, which the image has from the course, and ``setup.sh``."""
        return (
            FILE.parent / "offline" / "images" / "-".join(filter(None, (self.name, self.variant)))
        )

    @property
    def has_base(self) -> bool:
        """Whether packages are installed on another image of the catalog."""
        return self.base not in ("", SCRATCH)

    @property
    def chain(self) -> list[Image]:
        """Its bases, lowest first, and the image itself."""
        return [*(by_reference()[self.base].chain if self.has_base else ()), self]

    @property
    def root_suite(self) -> str:
        """The Debian suite of the lowest layer."""
        return self.chain[0].suite

    @property
    def origin(self) -> str:
        """How the image is made, for its label."""
        what = ", ".join(self.packages + self.engine)
        return f"made from Debian packages: {what if self.base else f'Debian {self.suite}'}"

    @property
    def step(self) -> str:
        """How the image's layer is made, for ``docker history``."""
        if not self.base:
            return f"mmdebstrap {self.suite}"
        what = " ".join(self.packages + self.engine)
        return f"RUN apt-get install {what}" if self.has_base else f"COPY {what}"

    @property
    def instructions(self) -> list[str]:
        """The settings as a Dockerfile writes them, for ``docker history``."""
        lines = [f"ENV {variable}" for variable in self.env]
        lines += [f"WORKDIR {self.workdir}"] if self.workdir else []
        lines += [f"VOLUME [{path}]" for path in self.volumes]
        lines += [f"STOPSIGNAL {self.stopsignal}"] if self.stopsignal else []
        lines += [f"EXPOSE {port}" for port in self.expose]
        lines += [f"ENTRYPOINT {json.dumps(self.entrypoint)}"] if self.entrypoint else []
        return [*lines, *([f"CMD {json.dumps(self.cmd)}"] if self.cmd is not None else [])]

    @property
    def recipe(self) -> str:
        """A short hash of what the image is made from: entry, files and base.

        fill() renews the images that an earlier edition of the course made by another recipe.
        """
        entry = msgspec.structs.replace(self, purpose="", megabytes=0)
        content = hashlib.sha256(b"%d " % EDITION + msgspec.json.encode(entry))
        for file in sorted(self.context.rglob("*")):
            if file.is_file():
                content.update(file.relative_to(self.context).as_posix().encode())
                content.update(file.read_bytes())
        if self.engine:
            content.update(f"{engine_root.SUITE} {engine_root.VERSION}".encode())
        if self.has_base:
            content.update(by_reference()[self.base].recipe.encode())
        return content.hexdigest()[:12]


class _Catalog(Record):
    platforms: tuple[str, ...]
    images: tuple[Image, ...]


@cache
def _load() -> _Catalog:
    return data_file.load(FILE, _Catalog)


def images() -> tuple[Image, ...]:
    """All images; a base comes before the images that are built on it. Raises InvalidDataFile."""
    return _load().images


def platforms() -> tuple[str, ...]:
    """The platforms that images from Docker Hub can have, such as ``linux/amd64``."""
    return _load().platforms


def references() -> list[str]:
    """Name and first tag of every image, as lessons write them."""
    return [image.reference for image in images()]


@cache
def by_reference() -> dict[str, Image]:
    """The image of each name and tag."""
    return {reference: image for image in images() for reference in image.references}
