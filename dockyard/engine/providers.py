"""The one list of engine providers, and the choice among them.

To add a provider, add one entry to ALL. The command line's choices, the doctor's report, the
engines of ``test --engine all`` and what ``engine stop`` stops all come from it.

Standard library only, because the command line imports it before any package is installed, and
little of that, because every command pays for it. A provider's module is imported when its
engine is first made.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, NamedTuple

from dockyard.exceptions import EngineUnavailable, UsageError

if TYPE_CHECKING:
    from dockyard.engine.base import Engine


class Provider(NamedTuple):
    """The name of a provider and where its class is, as ``module:class`` of this package.

    without_root is the class for a user who is not root, if that is another one. for_tests
    providers are not offered to learners. notebook_timeout is in seconds: how long one notebook
    may take under ``test --engine all``, which leaves out a provider without one.
    """

    name: str
    as_root: str
    without_root: str = ""
    for_tests: bool = False
    notebook_timeout: int | None = None

    def engine(self) -> Engine:
        """A new instance of the provider's class."""
        is_root = not hasattr(os, "geteuid") or os.geteuid() == 0
        found = self.as_root if is_root else self.without_root or self.as_root
        module, _, name = found.partition(":")
        made: Engine = getattr(importlib.import_module(f"dockyard.engine.{module}"), name)()
        return made


ALL = (
    Provider("local", "local:LocalEngine"),
    Provider(
        "embedded",
        "embedded:EmbeddedEngine",
        without_root="rootless:RootlessEngine",
        notebook_timeout=900,
    ),
    Provider("machine", "vm.machine:MachineEngine"),
    Provider("docker-20", "docker_20:Docker20Engine", for_tests=True, notebook_timeout=900),
    Provider("docker-26", "docker_26:Docker26Engine", for_tests=True),
    Provider("podman", "podman:PodmanEngine", for_tests=True, notebook_timeout=300),
)
"""In the order in which ``auto`` tries them."""

FOR_LEARNERS = tuple(provider for provider in ALL if not provider.for_tests)

LEARNER_CHOICES = ("auto", *(provider.name for provider in FOR_LEARNERS))
ALL_CHOICES = ("auto", *(provider.name for provider in ALL))


def named(name: str) -> Engine:
    """A provider's engine by name. Raises UsageError for an unknown name."""
    for provider in ALL:
        if provider.name == name:
            return provider.engine()
    raise UsageError(
        f"There is no engine called {name!r}.",
        next=f"Choose one of: {', '.join(ALL_CHOICES)}.",
    )


def choose(choice: str) -> Engine:
    """The engine of that name, or for ``auto`` the first one whose needs are met here.

    ``auto`` considers only the providers for learners. Raises EngineUnavailable, which names
    the first unmet need of each, or UsageError.
    """
    if choice != "auto":
        return named(choice)
    reasons = []
    for provider in FOR_LEARNERS:
        engine = provider.engine()
        unmet = engine.unmet()
        if not unmet:
            return engine
        reasons.append(f"{engine.name}: {unmet[0].name} ({unmet[0].found})")
    raise EngineUnavailable(
        "No Docker engine can run here.",
        "\n".join(reasons),
        "See what each would need:  python3 -m dockyard doctor",
    )
