"""A drill comes again after a day, three days and a week."""

from datetime import date, timedelta

import pytest

from dockyard.drills import drill_catalog, schedule

DRILLS = list(drill_catalog.load().values())
STOP = drill_catalog.load()["stop"]
TODAY = date(2026, 3, 1)


def after(days, entries=None, *, helped=False, drill=STOP):
    """The entries after the drill was done so many days after TODAY."""
    entries = entries or {}
    then = TODAY + timedelta(days)
    return {**entries, drill.task.name: schedule.done(drill, entries, then, helped=helped)}


def wait_of(entries, days):
    """Days from TODAY + days until the drill is due."""
    return (schedule.due(STOP, entries) - TODAY).days - days


def test_the_pauses_grow_to_a_week_and_stay():
    entries, day, pauses = {}, 0, []
    for _ in range(5):
        entries = after(day, entries)
        pauses.append(wait_of(entries, day))
        day += pauses[-1]
    assert pauses == [1, 3, 7, 7, 7]


def test_practising_before_the_day_changes_nothing():
    entries = after(0)
    assert after(0, entries) == entries


def test_a_drill_whose_solution_was_shown_comes_again_tomorrow():
    entries = after(1, after(0))
    assert wait_of(after(4, entries, helped=True), 4) == 1
    assert wait_of(after(5, after(4, entries, helped=True)), 5) == 1


def test_what_is_due_comes_first_the_longest_first_and_then_what_is_new():
    first, second, third, *new = DRILLS
    entries = after(0, after(2, after(-9, drill=third), drill=first), drill=second)
    found = schedule.waiting(DRILLS, entries, TODAY + timedelta(1))
    assert found == [third, second, *new]


def test_new_drills_of_the_lesson_come_before_other_new_ones():
    found = schedule.waiting(DRILLS, after(0), TODAY, "06-networks-and-plugins")
    assert {drill.lesson for drill in found[:5]} == {"06-networks-and-plugins"}
    assert [drill for drill in found if drill.lesson == "00-start-here"] == DRILLS[:3]
    assert STOP not in found


def test_a_drill_with_another_goal_is_new():
    entries = after(0)
    entries["stop"] = {**entries["stop"], "edition": "00000000"}
    assert schedule.due(STOP, entries) is None
    assert schedule.count(DRILLS, entries, TODAY)["done"] == 0


@pytest.mark.parametrize("day", ["", "soon", "2026-02-31", "9999-99-99", "1e99"])
def test_a_day_that_nobody_can_read_is_due(day):
    entries = after(0)
    entries["stop"] = {**entries["stop"], "due": day}
    assert STOP in schedule.waiting(DRILLS, entries, TODAY)
    assert schedule.count([STOP], entries, TODAY) == {"done": 1, "of": 1, "due": 1}
    assert wait_of(after(0, entries), 0) == 3


def test_a_streak_grows_once_a_day_and_ends_after_a_day_without():
    saved = {"shown": True}
    for gone in (0, 0, 1, 2):
        saved = schedule.longer(saved, TODAY + timedelta(gone))
    assert saved == {"shown": True, "days": 3, "last": "2026-03-03"}
    assert [schedule.streak(saved, TODAY + timedelta(gone)) for gone in (2, 3, 4)] == [3, 3, 0]
    assert schedule.longer(saved, TODAY + timedelta(9))["days"] == 1


@pytest.mark.parametrize("last", ["", "yesterday", "2999-01-01"])
def test_a_streak_whose_day_is_wrong_begins_anew(last):
    assert schedule.streak({"days": 7, "last": last}, TODAY) == 0
