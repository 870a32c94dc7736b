"""Which of hundreds of similar tests every run takes; the weekly run takes them all."""

import pytest


def way_marks(place, one_in=12):
    """The marks of the test at a place in the list of all of them."""
    return () if place % one_in == 0 else pytest.mark.adversarial
