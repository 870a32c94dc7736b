"""The one list of engine providers, and the choice among them.

To add a provider, add one entry to FOR_LEARNERS. The command line's choices, the doctor's report
and what ``engine stop`` stops come from it. Packages named in the variable DOCKYARD_ENGINES add
further providers, which learners are not offered: ``test`` adds those of tests/engines.

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

VARIABLE = "DOCKYARD_ENGINES"
"""Names packages, separated by spaces, whose PROVIDERS are added."""


class Provider(NamedTuple):
    """The name of a provider and where its class is, as ``module:class``.

    without_root is the class for a user who is not root, if that is another one.
    """

    name: str
    as_root: str
    without_root: str = ""

    def engine(self) -> Engine:
        """A new instance of the provider's class."""
        is_root = not hasattr(os, "geteuid") or os.geteuid() == 0
        found = self.as_root if is_root else self.without_root or self.as_root
        module, _, name = found.partition(":")
        made: Engine = getattr(importlib.import_module(module), name)()
        return made


FOR_LEARNERS = (
    Provider("local", "dockyard.engine.local:LocalEngine"),
    Provider(
        "embedded",
        "dockyard.engine.embedded:EmbeddedEngine",
        without_root="dockyard.engine.rootless:RootlessEngine",
    ),
    Provider("machine", "dockyard.engine.vm.machine:MachineEngine"),
)
"""In the order in which ``auto`` tries them."""

LEARNER_CHOICES = ("auto", *(provider.name for provider in FOR_LEARNERS))


def every() -> tuple[Provider, ...]:
    """The providers for learners, then those of the packages that VARIABLE names."""
    packages = os.environ.get(VARIABLE, "").split()
    added = (importlib.import_module(package).PROVIDERS for package in packages)
    return (*FOR_LEARNERS, *(provider for providers in added for provider in providers))


def choices() -> tuple[str, ...]:
    """``auto`` and the names of all providers."""
    return ("auto", *(provider.name for provider in every()))


def named(name: str) -> Engine:
    """A provider's engine by name. Raises UsageError for an unknown name."""
    for provider in every():
        if provider.name == name:
            return provider.engine()
    raise UsageError(
        f"There is no engine called {name!r}.",
        next=f"Choose one of: {', '.join(choices())}.",
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
