"""How many times as large one quantity is as another, and how sure that is.

A ratio of two averages says nothing about chance. Here both quantities were measured in turn, so
the values of one round form a pair. The logarithms of the pairs' ratios are treated as a sample
with a normal distribution, which gives the mean ratio and, by Student's t, its confidence interval.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

CONFIDENCE = 0.95
STEPS = 400
"""Steps of Simpson's rule, which make the quantile exact to six digits."""


@dataclass(frozen=True)
class Ratio:
    """A mean ratio with the limits of its 95 % confidence interval, from n pairs."""

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def direction(self) -> int:
        """1 when the whole interval is above 1, -1 when it is below, 0 when 1 is in it."""
        return (self.low > 1) - (self.high < 1)


def ratio(values: Sequence[float], others: Sequence[float]) -> Ratio:
    """The mean of values[i] / others[i], all positive, with its 95 % confidence interval.

    Raises ValueError when there are fewer than two pairs, or values of different number.
    """
    logarithms = [math.log(a / b) for a, b in zip(values, others, strict=True)]
    if len(logarithms) < 2:
        raise ValueError("A confidence interval needs at least two pairs.")
    mean = statistics.fmean(logarithms)
    error = statistics.stdev(logarithms) / math.sqrt(len(logarithms))
    reach = quantile(len(logarithms) - 1) * error
    return Ratio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), len(logarithms))


@cache
def quantile(freedom: int) -> float:
    """The t that a Student's t of so many degrees of freedom exceeds in size in 5 % of cases."""
    low, high = 0.0, 100.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return low


def _within(t: float, freedom: int) -> float:
    """The probability that a Student's t is between -t and t, by Simpson's rule."""
    # With x = sqrt(freedom) * tan(angle) the density becomes a power of the cosine.
    end = math.atan(t / math.sqrt(freedom))
    step = end / STEPS
    total = sum(
        (1 if at in (0, STEPS) else 4 if at % 2 else 2) * math.cos(at * step) ** (freedom - 1)
        for at in range(STEPS + 1)
    )
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(math.pi) / 2
    return 2 * math.exp(log_scale) * total * step / 3
