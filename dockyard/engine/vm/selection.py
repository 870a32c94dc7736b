"""The backends, fastest first, and the choice among them by trying each."""

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
"""The environment variable that names one backend; the others are not tried then."""


@dataclass(frozen=True)
class Trial:
    """What trying one backend found.

    problem is empty when it works; next is a command that may solve the problem.
    """

    backend: Backend
    problem: str
    next: str = ""

    def __str__(self) -> str:
        return f"{self.backend.name}: {self.problem or 'works here'}"


def trials() -> Iterator[Trial]:
    """Try one backend after the other, as far as the caller iterates.

    Raises UsageError when the variable names an unknown backend.
    """
    asked = os.environ.get(VARIABLE)
    chosen = [backend for backend in BACKENDS if asked in (None, "", backend.name)]
    if not chosen:
        raise UsageError(
            f"The machine engine has no backend {asked!r}.",
            next=f"Unset {VARIABLE}, or set it to one of: "
            f"{', '.join(backend.name for backend in BACKENDS)}.",
        )
    for backend in chosen:
        if problem := backend.problem():
            yield Trial(backend, problem)
        elif absent := artifacts.missing_packages(backend.kernel):
            install = f"sudo apt-get install --no-install-recommends {' '.join(absent)}"
            yield Trial(backend, f"building it needs the packages {', '.join(absent)}", install)
        else:
            yield Trial(backend, "")
