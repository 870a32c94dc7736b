"""The providers by name, and the choice among them."""

from __future__ import annotations

import os
from collections.abc import Callable

from dockyard.engine.base import Engine
from dockyard.engine.docker_26 import NewerEngine
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.engine.local import LocalEngine
from dockyard.engine.podman import PodmanEngine
from dockyard.engine.rootless import RootlessEngine
from dockyard.engine.vm.machine import MachineEngine
from dockyard.exceptions import EngineUnavailable, UsageError


def _embedded() -> Engine:
    """The private daemon: as root for root, rootless for everybody else."""
    root = not hasattr(os, "geteuid") or os.geteuid() == 0
    return EmbeddedEngine() if root else RootlessEngine()


PROVIDERS: dict[str, Callable[[], Engine]] = {
    LocalEngine.name: LocalEngine,
    EmbeddedEngine.name: _embedded,
    MachineEngine.name: MachineEngine,
}
"""In the order in which ``auto`` tries them."""

FOR_COMPARISON: dict[str, Callable[[], Engine]] = {
    NewerEngine.name: NewerEngine,
    PodmanEngine.name: PodmanEngine,
}
"""Those that ``test --engine all`` proves the lessons on; ``auto`` never takes them."""

ALL = PROVIDERS | FOR_COMPARISON


def named(name: str) -> Engine:
    """The provider of that name. Raises UsageError for an unknown one."""
    try:
        return ALL[name]()
    except KeyError:
        raise UsageError(
            f"There is no engine called {name!r}.",
            next=f"Choose one of: auto, {', '.join(ALL)}.",
        ) from None


def choose(choice: str) -> Engine:
    """The provider asked for, or for ``auto`` the first whose needs are met here.

    Raises EngineUnavailable, naming for each what is missing.
    """
    if choice != "auto":
        return named(choice)
    reasons = []
    for provider in PROVIDERS.values():
        engine = provider()
        unmet = engine.unmet()
        if not unmet:
            return engine
        reasons.append(f"{engine.name}: {unmet[0].name} ({unmet[0].found})")
    raise EngineUnavailable(
        "No Docker engine can run here.",
        "\n".join(reasons),
        "See what each would need:  python3 -m dockyard doctor",
    )
