"""Decides which of the daemon's objects a view shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dockyard.core import docker_client
from dockyard.core.labels import COURSE, LESSON

HELPER = "dockyard.view"
"""The label of the short-lived containers of the views themselves, which no view shows."""


@dataclass(frozen=True)
class Scope:
    """The objects of a lesson, of the course, or all of them.

    The learner's own objects on a shared daemon are included only with everything.
    """

    lesson: str | None = None
    everything: bool = False

    @classmethod
    def here(cls, *, everything: bool = False) -> Scope:
        """The scope of this kernel: its lesson if ``%lesson`` began one, else the course."""
        return cls(docker_client.lesson(), everything)

    @property
    def filters(self) -> dict[str, str]:
        """The filters for list requests to the daemon."""
        if self.everything:
            return {}
        return {"label": f"{LESSON}={self.lesson}" if self.lesson else f"{COURSE}=1"}

    def holds(self, labels: Mapping[str, str] | None) -> bool:
        """Whether an object with these labels is in the scope."""
        labels = labels or {}
        if HELPER in labels:
            return False
        if self.everything:
            return True
        if self.lesson:
            return labels.get(LESSON) == self.lesson
        return labels.get(COURSE) == "1"

    def __str__(self) -> str:
        if self.everything:
            return "the whole daemon"
        return f"lesson {self.lesson}" if self.lesson else "the course"
