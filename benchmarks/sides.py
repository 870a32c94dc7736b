"""Measuring two sides in turn, so that whatever else the computer does meets both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

Measure = Callable[[], float]
"""Does the thing once; returns how long it took, in seconds."""


@dataclass
class Pair:
    """The same thing with the course and bare, measured in pairs, in seconds."""

    name: str
    goal: float | None = None
    whole: Callable[[list[float]], float] = statistics.median
    course: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    def add(self, course: float, bare: float) -> None:
        """One more pair."""
        self.course.append(course)
        self.bare.append(bare)

    @property
    def ratio(self) -> float:
        """How many times as long it takes with the course, of what whole makes of each side."""
        return self.whole(self.course) / self.whole(self.bare)

    @property
    def spread(self) -> tuple[float, float]:
        """Between which ratios the middle half of the pairs lies."""
        ratios = [ours / bare for ours, bare in zip(self.course, self.bare, strict=True)]
        if len(ratios) < 2:
            return ratios[0], ratios[0]
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, high

    @property
    def met(self) -> bool:
        """Whether the goal is met, where there is one."""
        return self.goal is None or self.ratio <= self.goal


def in_turn(
    name: str, course: Measure, bare: Measure, repeat: int, goal: float | None = None
) -> Pair:
    """Measure both sides repeat times, the one that begins changing each time.

    One run of each beforehand is not counted: it fills caches.
    """
    pair = Pair(name, goal)
    course(), bare()
    for number in range(repeat):
        if number % 2:
            ours, theirs = course(), bare()
        else:
            theirs, ours = bare(), course()
        pair.add(ours, theirs)
    return pair
