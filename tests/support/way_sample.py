"""Which of the hundreds of right and wrong ways every run takes; the weekly run takes them all."""

import pytest

ONE_IN = 12


def way_marks(place):
    """The marks of the way at a place in the list of all ways."""
    return () if place % ONE_IN == 0 else pytest.mark.adversarial
