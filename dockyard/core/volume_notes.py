"""The volumes without a name that this home's containers brought about.

``docker run --volume /data``, or an image with ``VOLUME``, makes the daemon create a volume and
choose its name: 64 hex digits, drawn for it alone. Such a volume gets no label from the front door,
and stays when its container is removed without ``--volumes``. The front door notes the name, in
``HOME/volumes/NAME``, so that this home can remove the volume, and no other one.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dockyard.core import paths, whole_file

KEPT = 30 * 24 * 3600
"""Seconds after which the note on a volume that the daemon does not have is forgotten.

Not at once: the volume may be on another of this home's engines.
"""


@dataclass(frozen=True)
class Note:
    """A volume, the lesson in which it was made, and the container that it was made for."""

    volume: str
    lesson: str | None
    container: str

    def forget(self) -> None:
        """Remove the note: its volume is removed."""
        _file(self.volume).unlink(missing_ok=True)

    def forget_if_old(self) -> None:
        """Remove the note when it was made long ago."""
        with suppress(FileNotFoundError):
            if time.time() - _file(self.volume).stat().st_mtime > KEPT:
                self.forget()


def is_anonymous(volume: str) -> bool:
    """Whether the daemon chose this name of a volume."""
    return bool(re.fullmatch(r"[0-9a-f]{64}", volume))


def take(note: Note) -> None:
    """Note a volume. Raises OSError."""
    file = _file(note.volume)
    file.parent.mkdir(parents=True, exist_ok=True)
    whole_file.write(file, json.dumps(asdict(note)).encode())


def taken() -> Iterator[Note]:
    """All notes of this home."""
    for file in (paths.home() / "volumes").glob("[0-9a-f]*"):
        # Another process may remove it meanwhile.
        with suppress(OSError, ValueError, TypeError):
            yield Note(**json.loads(file.read_bytes()))


def _file(volume: str) -> Path:
    return paths.home() / "volumes" / volume
