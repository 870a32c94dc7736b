"""Hints come in order and end with a solution."""

import pytest

from dockyard.core import progress_file
from dockyard.labs import attempt as attempts
from dockyard.labs import hints
from tests.support.lab_attempts import LAB

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_progress")]


def test_each_call_gives_the_next_hint_and_the_last_one_is_the_solution():
    attempt = attempts.begin(LAB)
    said = [hints.hint(attempt, "web") for _ in range(5)]
    assert attempt.values["WEB"] in said[0]
    assert said[1].startswith("Hint 2 of 4.")
    assert "____" in said[2]
    assert attempt.fill(LAB.exercise("web").right[0].code) in said[3]
    assert said[4] == said[3]
    assert progress_file.read()["labs"][LAB.name]["tasks"]["web"]["hints"] == 4


def test_a_warm_up_has_two_hints():
    attempt = attempts.begin(LAB)
    said = [hints.hint(attempt, "stays") for _ in range(3)]
    assert [each.partition(".")[0] for each in said] == ["Hint 1 of 2", *["Hint 2 of 2"] * 2]
    assert attempt.fill(LAB.exercise("stays").right[0].code) in said[1]
