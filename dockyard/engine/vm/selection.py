"""The ways to run the machine, fastest first, and the choice among them by trying."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from dockyard.engine.vm import artifacts
from dockyard.engine.vm.backend import Backend
from dockyard.engine.vm.qemu import EmulatedPC, VirtualPC
from dockyard.engine.vm.uml import UserModeLinux
from dockyard.exceptions import UsageError

BACKENDS: tuple[Backend, ...] = (VirtualPC(), UserModeLinux(), EmulatedPC())

VARIABLE = "DOCKYARD_MACHINE_WAY"
"""Names one backend, and nothing else is tried."""


@dataclass(frozen=True)
class Trial:
    """One backend and what trying it found; why is empty where it works, next may mend it."""

    backend: Backend
    why: str
    next: str = ""

    def __str__(self) -> str:
        return f"{self.backend.name}: {self.why or 'works here'}"


def trials() -> Iterator[Trial]:
    """Try each backend when its turn comes. Raises UsageError when the one asked for is unknown."""
    asked = os.environ.get(VARIABLE)
    chosen = [backend for backend in BACKENDS if asked in (None, "", backend.name)]
    if not chosen:
        raise UsageError(
            f"There is no way to run the machine called {asked!r}.",
            next=f"Unset {VARIABLE}, or set it to one of: "
            f"{', '.join(each.name for each in BACKENDS)}.",
        )
    for backend in chosen:
        if why := backend.refusal():
            yield Trial(backend, why)
        elif absent := artifacts.missing_packages(backend.kernel):
            install = f"sudo apt-get install --no-install-recommends {' '.join(absent)}"
            yield Trial(backend, f"it must be made first, by {', '.join(absent)}", install)
        else:
            yield Trial(backend, "")
