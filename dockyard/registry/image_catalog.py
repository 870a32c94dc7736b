"""The catalog of images: images.toml, whose first lines explain its keys.

[[images]]    an Image; `from` is its base
platforms     the platforms that images from Docker Hub can have
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from dockyard.core import data_file
from dockyard.core.data_file import Record

FILE = Path(__file__).with_name("images.toml")
ORIGIN = "dockyard.origin"
"""Label that says how an image was made; images from Docker Hub do not have it."""

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
        """The build context that makes this image from Debian packages."""
        return (
            FILE.parent / "offline" / "images" / "-".join(filter(None, (self.name, self.variant)))
        )

    @property
    def origin(self) -> str:
        """How the image is made, for its label."""
        what = f"Debian {self.suite} by mmdebstrap" if self.suite else ", ".join(self.packages)
        return f"made from Debian packages: {what}"

    @property
    def recipe(self) -> str:
        """A short hash of what the image is made from: entry, Dockerfile and base.

        fill() rebuilds the images that an earlier edition of the course made by another recipe.
        """
        content = hashlib.sha256(repr((self.base, self.suite, self.packages)).encode())
        for file in sorted(self.context.rglob("*")):
            if file.is_file():
                content.update(file.name.encode() + file.read_bytes())
        if self.base:
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
