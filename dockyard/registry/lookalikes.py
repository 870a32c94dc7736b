"""Says which images in use are not the official ones."""

from __future__ import annotations

from collections.abc import Iterable

from dockyard.exceptions import RegistryError
from dockyard.registry import server
from dockyard.registry.image_catalog import by_reference
from dockyard.registry.verify import origin


def remark(references: Iterable[str]) -> str:
    """One sentence for a page that uses these images (names with tags); empty if none is ours.

    Images that the course alone has are not named. Empty, too, while no registry runs.
    """
    try:
        registry = server.find()
        names = {
            image.name
            for reference in references
            if (image := by_reference().get(reference)) and image.hub
            if origin(registry, image)
        }
    except RegistryError:
        return ""
    if not names:
        return ""
    *others, last = sorted(names)
    listed = f"{', '.join(others)} and {last}" if others else last
    return (
        f"The course made its {listed} from Debian packages, because Docker Hub did not answer: "
        "they work like the official images, and their texts and sizes differ."
    )
