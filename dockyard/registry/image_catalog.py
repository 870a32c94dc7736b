"""The catalogue of images: images.toml as data."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dockyard.core import labels

HERE = Path(__file__).parent
ORIGIN = f"{labels.COURSE.partition('.')[0]}.origin"
RECIPE = f"{labels.COURSE.partition('.')[0]}.recipe"


@dataclass(frozen=True)
class Image:
    """One entry of the catalogue. The first tag is the one lessons use."""

    name: str
    tags: tuple[str, ...]
    purpose: str
    megabytes: int
    platforms: tuple[str, ...]
    base: str = ""
    variant: str = ""
    suite: str = ""
    packages: tuple[str, ...] = ()
    hub: bool = True
    """Whether Docker Hub has it; the course's own images are always made from packages."""

    @property
    def reference(self) -> str:
        """Name and first tag, as a lesson writes it."""
        return f"{self.name}:{self.tags[0]}"

    @property
    def references(self) -> list[str]:
        """Name and tag, for every tag."""
        return [f"{self.name}:{tag}" for tag in self.tags]

    @property
    def repository(self) -> str:
        """The repository's full name, as Docker Hub has it."""
        return f"library/{self.name}"

    @property
    def context(self) -> Path:
        """The build context that makes this image from Debian packages."""
        return HERE / "offline" / "images" / "-".join(filter(None, (self.name, self.variant)))

    @property
    def origin(self) -> str:
        """How the image came about, for its label."""
        what = f"Debian {self.suite} by mmdebstrap" if self.suite else ", ".join(self.packages)
        return f"made from Debian packages: {what}"

    @property
    def recipe(self) -> str:
        """What the image is made from as a short hash: entry, Dockerfile and base.

        A registry filled by an earlier edition of the course is brought up to date by it.
        """
        content = hashlib.sha256(repr((self.base, self.suite, self.packages)).encode())
        for file in sorted(self.context.rglob("*")):
            if file.is_file():
                content.update(file.name.encode() + file.read_bytes())
        if self.base:
            content.update(by_reference()[self.base].recipe.encode())
        return content.hexdigest()[:12]


@cache
def images() -> tuple[Image, ...]:
    """All entries; a base comes before what is built on it."""
    document = tomllib.loads((HERE / "images.toml").read_text(encoding="utf-8"))
    return tuple(_image(entry, tuple(document["platforms"])) for entry in document["images"])


def _image(entry: dict, platforms: tuple[str, ...]) -> Image:
    fields = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    fields["base"] = fields.pop("from", "")
    return Image(platforms=platforms, **fields)


def references() -> list[str]:
    """Name and first tag of every image, as lessons write them."""
    return [image.reference for image in images()]


@cache
def by_reference() -> dict[str, Image]:
    """The entry of each name and tag."""
    return {reference: image for image in images() for reference in image.references}
