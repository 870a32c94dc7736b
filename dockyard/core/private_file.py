"""Files that only their owner can read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(file: Path, text: str) -> None:
    """Write a file of mode 0600 in one step: it is the old one or the new one, never a part."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as part:  # mode 0600
        part.write(text)
        part.flush()
        # The name must not stand for a file whose text is not on the disk yet.
        os.fsync(part.fileno())
    Path(part.name).replace(file)
