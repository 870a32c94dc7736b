"""Writes files that are read while they are written."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path


def write(file: Path, content: bytes) -> None:
    """Write a file as a whole: an interruption leaves the old content or the new one.

    Its folder must exist. When several write at once, the last one's content stays. Raises OSError,
    and leaves nothing behind then.
    """
    writer = f"{os.getpid()}-{threading.get_native_id()}"
    part = file.with_name(f".{file.name}.{writer}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
