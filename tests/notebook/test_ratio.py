"""Ratios with confidence intervals that hold what they promise."""

import math
import random

import pytest

from dockyard.notebook.ratio import quantile, ratio


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.706), (4, 2.776), (9, 2.262), (29, 2.045)])
def test_the_quantiles_are_those_of_the_tables(freedom, t):
    assert quantile(freedom) == pytest.approx(t, abs=0.001)


def test_the_mean_of_ratios_is_that_of_their_logarithms():
    found = ratio([2, 8], [1, 1])
    assert found.mean == pytest.approx(4)
    assert found.low * found.high == pytest.approx(16)
    assert found.pairs == 2


def test_95_of_100_intervals_have_the_true_ratio_in_them():
    chance = random.Random(1)

    def found():
        values = [math.exp(chance.gauss(math.log(3), 0.3)) for _ in range(10)]
        others = [math.exp(chance.gauss(0, 0.2)) for _ in range(10)]
        return ratio(values, others)

    tries = [found() for _ in range(2000)]
    assert 0.935 < sum(each.low <= 3 <= each.high for each in tries) / len(tries) < 0.965


@pytest.mark.parametrize(
    ("values", "direction"), [((2.0, 2.1, 1.9), 1), ((0.5, 0.4, 0.6), -1), ((0.5, 1.1, 2.0), 0)]
)
def test_a_direction_is_said_when_1_is_not_in_the_interval(values, direction):
    assert ratio(values, (1.0, 1.0, 1.0)).direction == direction


def test_an_interval_needs_two_pairs():
    with pytest.raises(ValueError):
        ratio([1], [1])
    with pytest.raises(ValueError):
        ratio([1, 2], [1])
