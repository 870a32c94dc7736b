"""A daemon the learner already has. It is used, never started, stopped or reconfigured."""

from __future__ import annotations

from typing import ClassVar

from dockyard.core.console import Say
from dockyard.engine import system_packages
from dockyard.engine.base import Endpoint, Engine, Need
from dockyard.engine.discovery import Candidate, candidates
from dockyard.exceptions import (
    EngineError,
    EnginePermissionDenied,
    EngineTooOld,
    EngineUnavailable,
)

NEXT = "python3 -m dockyard learn --engine embedded"


class LocalEngine(Engine):
    """The first daemon that answers among DOCKER_HOST, the current context and known sockets."""

    name: ClassVar[str] = "local"
    title: ClassVar[str] = "the Docker daemon this computer already has"
    private: ClassVar[bool] = False

    def needs(self) -> list[Need]:
        """A daemon that answers and is new enough, and a client."""
        return [self._daemon(), system_packages.client()]

    def _daemon(self) -> Need:
        asked = list(candidates())
        for candidate in asked:
            if candidate.verdict == "answers":
                return Need("daemon", True, f"{candidate.source}: {candidate.detail}")
        worst = _most_telling(asked)
        if worst is None:
            return Need("daemon", False, "no daemon's socket was found", NEXT)
        error = _as_error(worst)
        return Need("daemon", False, f"{worst.source}: {worst.detail}", error.next)

    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Endpoint:
        """Find the daemon. Raises the error that fits what was found instead."""
        asked = list(candidates())
        for candidate in asked:
            if candidate.verdict == "answers":
                say(f"found {candidate.detail} by {candidate.source}")
                return candidate.endpoint
        worst = _most_telling(asked)
        if worst is None:
            raise EngineUnavailable(
                "No Docker daemon was found on this computer.",
                "A docker client alone is not enough: the daemon does the work.",
                f"Use an engine of the course's own:  {NEXT}",
            )
        raise _as_error(worst)

    def stop(self, say: Say) -> None:
        """Leave the learner's daemon alone."""

    def endpoint(self) -> Endpoint | None:
        """The first daemon that answers, or None."""
        return next((each.endpoint for each in candidates() if each.verdict == "answers"), None)


def _most_telling(asked: list[Candidate]) -> Candidate | None:
    order = ("permission", "too-old", "error", "refused")
    found = [candidate for candidate in asked if candidate.verdict in order]
    if not found and asked and asked[0].source == "DOCKER_HOST":
        return asked[0]
    return min(found, key=lambda candidate: order.index(candidate.verdict), default=None)


def _as_error(candidate: Candidate) -> EngineError:
    address = candidate.endpoint.address
    if candidate.verdict == "permission":
        return EnginePermissionDenied(address)
    if candidate.verdict == "too-old":
        return EngineTooOld(
            f"The daemon on {address} is too old: {candidate.detail}.",
            "The lessons need API 1.41 (Docker 20.10) or newer.",
            f"Use an engine of the course's own:  {NEXT}",
        )
    why = {
        "refused": "The socket exists but its daemon is not running.",
        "absent": "There is no socket at that place.",
    }.get(candidate.verdict, candidate.detail)
    return EngineUnavailable(
        f"No Docker engine answered on {address} ({candidate.source}).",
        why,
        f"Start that daemon, or use an engine of the course's own:  {NEXT}",
    )
