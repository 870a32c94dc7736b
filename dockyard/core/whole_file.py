"""Writes files that are read while they are written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def write(file: Path, content: bytes) -> None:
    """Write a file as a whole: an interruption leaves the old content or the new one.

    Its folder must exist. Raises OSError, and leaves nothing behind then.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
