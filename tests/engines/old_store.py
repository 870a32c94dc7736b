"""The embedded engine with Docker's own image store, which was the default until Docker 29."""

from __future__ import annotations

from typing import ClassVar

from dockyard.engine.embedded import EmbeddedEngine


class OldStoreEngine(EmbeddedEngine):
    """The embedded engine with ``containerd-snapshotter: false``."""

    name: ClassVar[str] = "old-store"
    title: ClassVar[str] = "the embedded engine with the image store that Docker had before 29"

    def __init__(self) -> None:
        super().__init__(containerd_store=False)
