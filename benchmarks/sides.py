"""Measures two sides in turn, so that other load on the computer affects both."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

Measure = Callable[[], float]
"""Does the thing once; returns how long it took, in seconds."""


@dataclass
class Pair:
    """The same thing with the course and bare, in seconds, measured in pairs."""

    name: str
    goal: float | None = None
    course: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times as long it takes with the course, by the medians."""
        return statistics.median(self.course) / statistics.median(self.bare)

    @property
    def spread(self) -> tuple[float, float]:
        """The ratios between which the middle half of the pairs lies."""
        ratios = [ours / bare for ours, bare in zip(self.course, self.bare, strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, high

    @property
    def met(self) -> bool:
        """Whether the goal is met, where there is one."""
        return self.goal is None or self.ratio <= self.goal

    def row(self) -> str:
        """A row of a Markdown table: name, both medians, ratio, goal."""
        with_course, without = (statistics.median(side) for side in (self.course, self.bare))
        low, high = self.spread
        return (
            f"| {self.name} | {_seconds(with_course)} | {_seconds(without)} "
            f"| {self.ratio:.2f} × ({low:.2f} to {high:.2f}, {len(self.bare)} pairs) "
            f"| {f'{self.goal:g} ×' if self.goal else ''} |"
        )


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def in_turn(
    name: str, course: Measure, bare: Measure, repeat: int, goal: float | None = None
) -> Pair:
    """Measure both sides repeat times, at least twice; each goes first every other time.

    One run of each before that fills caches and is not counted.
    """
    pair = Pair(name, goal)
    course(), bare()
    for number in range(repeat):
        if number % 2:
            pair.course.append(course())
            pair.bare.append(bare())
        else:
            pair.bare.append(bare())
            pair.course.append(course())
    return pair
