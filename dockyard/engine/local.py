"""The learner's own daemon. It is never started, stopped or reconfigured."""

from __future__ import annotations

from typing import ClassVar

from dockyard.core import ssh
from dockyard.core.console import Say
from dockyard.engine import client_programs
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
        """A daemon that answers and is new enough, and the docker client."""
        return [self._daemon(), client_programs.need()]

    def _daemon(self) -> Need:
        asked = list(candidates())
        for candidate in asked:
            if candidate.verdict == "answers":
                return Need("daemon", True, f"{candidate.source}: {candidate.detail}")
        failed = _most_informative(asked)
        if failed is None:
            return Need("daemon", False, "no daemon's socket was found", NEXT)
        return Need("daemon", False, f"{failed.source}: {failed.detail}", _as_error(failed).next)

    def start(self, say: Say, *, mirror: str | None = None) -> Endpoint:
        """Find the daemon. Raises EnginePermissionDenied, EngineTooOld or EngineUnavailable."""
        asked = list(candidates())
        for candidate in asked:
            if candidate.verdict == "answers":
                say(f"found {candidate.detail} by {candidate.source}")
                return candidate.endpoint
        failed = _most_informative(asked)
        if failed is None:
            raise EngineUnavailable(
                "No Docker daemon was found on this computer.",
                "A docker client alone is not enough: the daemon does the work.",
                f"Use the course's own engine:  {NEXT}",
            )
        raise _as_error(failed)

    def stop(self, say: Say) -> None:
        """Do nothing: the daemon is the learner's."""

    def endpoint(self) -> Endpoint | None:
        """The first daemon that answers, or None."""
        return next((each.endpoint for each in candidates() if each.verdict == "answers"), None)


def _most_informative(asked: list[Candidate]) -> Candidate | None:
    """The failed candidate whose reason helps a learner most; None if no socket was found."""
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
            f"Use the course's own engine:  {NEXT}",
        )
    why = {
        "refused": "The socket exists but its daemon is not running.",
        "absent": "There is no socket at this path.",
    }.get(candidate.verdict, candidate.detail)
    next = f"Start that daemon, or use the course's own engine:  {NEXT}"
    if ssh.is_address(address):
        next = f"Find out with:  {ssh.by_hand(address)}"
    return EngineUnavailable(
        f"No Docker engine answered on {address} ({candidate.source}).", why, next
    )
