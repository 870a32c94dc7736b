"""The catalogue of images: catalog.toml as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Image:
    """One entry of the catalogue. The first tag is the one lessons use."""

    name: str
    tags: tuple[str, ...]
    purpose: str
    base: str = ""
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
        return HERE / "images" / self.name

    @property
    def origin(self) -> str:
        """How the image came about, for its label."""
        what = f"Debian {self.suite} by mmdebstrap" if self.suite else ", ".join(self.packages)
        return f"made from Debian packages: {what}"


@cache
def images() -> tuple[Image, ...]:
    """All entries; a base comes before what is built on it."""
    entries = tomllib.loads((HERE / "catalog.toml").read_text())["images"]
    return tuple(
        Image(
            entry["name"],
            tuple(entry["tags"]),
            entry["purpose"],
            entry.get("from", ""),
            entry.get("suite", ""),
            tuple(entry.get("packages", ())),
            entry.get("hub", True),
        )
        for entry in entries
    )
