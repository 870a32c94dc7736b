"""The ways to run the machine, fastest first, and the choice among them by trying."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.engine import image
from dockyard.engine.qemu import EmulatedPC, VirtualPC
from dockyard.engine.uml import UserModeLinux
from dockyard.engine.ways import Way
from dockyard.exceptions import UsageError

WAYS: tuple[Way, ...] = (VirtualPC(), UserModeLinux(), EmulatedPC())

VARIABLE = "DOCKYARD_MACHINE_WAY"
"""Names one way, and nothing else is tried."""


@dataclass(frozen=True)
class Verdict:
    """One way and what trying it found; why is empty where it works, next may mend it."""

    way: Way
    why: str
    next: str = ""

    def __str__(self) -> str:
        return f"{self.way.name}: {self.why or 'works here'}"


def verdicts() -> Iterator[Verdict]:
    """Try each way when its turn comes. Raises UsageError when the one asked for is unknown."""
    asked = os.environ.get(VARIABLE)
    chosen = [way for way in WAYS if asked in (None, "", way.name)]
    if not chosen:
        raise UsageError(
            f"There is no way to run the machine called {asked!r}.",
            next=f"Set {VARIABLE} to one of: {', '.join(way.name for way in WAYS)}; or unset it.",
        )
    for way in chosen:
        if why := way.refusal():
            yield Verdict(way, why)
        elif absent := image.missing_packages(way.kernel):
            install = f"sudo apt-get install --no-install-recommends {' '.join(absent)}"
            yield Verdict(way, f"it must be made first, by {', '.join(absent)}", install)
        else:
            yield Verdict(way, "")
