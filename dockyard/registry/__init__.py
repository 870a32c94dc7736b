"""The course registry: its server, the catalog of images, filling, verifying, archives."""

from dockyard.registry.api import Registry
from dockyard.registry.archive import export_archive, import_archive
from dockyard.registry.fill import fill, pull_into, source
from dockyard.registry.hub import answers as hub_answers
from dockyard.registry.image_catalog import Image, references
from dockyard.registry.lookalikes import remark
from dockyard.registry.server import in_container, start, stop
from dockyard.registry.verify import list_images, verify

__all__ = [
    "Image",
    "Registry",
    "export_archive",
    "fill",
    "hub_answers",
    "import_archive",
    "in_container",
    "list_images",
    "pull_into",
    "references",
    "remark",
    "source",
    "start",
    "stop",
    "verify",
]
