"""When a drill is offered again: a day, three days and a week after it was done.

    "drills": {"stop": {"edition": "1a2b3c4d", "times": 2, "due": "2026-01-31"}}

in the progress file. ``times`` counts how often in a row it was done without help when it was
due; ``due`` is the day from which it is offered again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from dockyard.drills.drill_catalog import Drill

DAYS = (1, 3, 7)
"""Days until a drill is offered again, after it was done once, twice, and more often."""

Entries = Mapping[str, Mapping[str, Any]]
"""The drills in the progress file, by name."""


def entry_of(drill: Drill, entries: Entries) -> Mapping[str, Any]:
    """What is known of a drill in its present edition; empty for a new one."""
    entry = entries.get(drill.task.name, {})
    return entry if entry.get("edition") == drill.task.edition else {}


def due(drill: Drill, entries: Entries) -> date | None:
    """The day from which a drill is offered again; None for one that was never done."""
    entry = entry_of(drill, entries)
    if not entry:
        return None
    try:
        return date.fromisoformat(entry.get("due", ""))
    except ValueError:
        # Somebody has written another text there. Practising once too often does no harm.
        return date.min


def done(drill: Drill, entries: Entries, today: date, *, helped: bool) -> dict[str, Any]:
    """The entry of a drill that has just been done; helped says that its solution was shown.

    One that was done before it was due keeps its day.
    """
    entry, day = entry_of(drill, entries), due(drill, entries)
    times = entry.get("times", 0)
    if helped:
        times, day = 0, today + timedelta(DAYS[0])
    elif day is None or day <= today:
        times = min(times + 1, len(DAYS))
        day = today + timedelta(DAYS[times - 1])
    return {"edition": drill.task.edition, "times": times, "due": day.isoformat()}


def waiting(
    drills: Iterable[Drill], entries: Entries, today: date, lesson: str = ""
) -> list[Drill]:
    """The drills to offer: those that are due, the longest first, then new ones.

    New ones come in the order given, but those of a lesson before all others.
    """
    days = [(drill, due(drill, entries)) for drill in drills]
    again = sorted(
        ((day, drill) for drill, day in days if day and day <= today), key=lambda pair: pair[0]
    )
    new = sorted(
        (drill for drill, day in days if day is None), key=lambda drill: drill.lesson != lesson
    )
    return [*(drill for _, drill in again), *new]


def count(drills: Iterable[Drill], entries: Entries, today: date) -> dict[str, int]:
    """How many drills there are, how many were done, and how many of these are due again."""
    days = [due(drill, entries) for drill in drills]
    known = [day for day in days if day]
    return {"done": len(known), "of": len(days), "due": sum(day <= today for day in known)}


def streak(saved: Mapping[str, Any], today: date) -> int:
    """The days in a row, up to today or yesterday, on which a drill was done."""
    try:
        gone = (today - date.fromisoformat(saved.get("last", ""))).days
    except ValueError:
        return 0
    days: int = saved.get("days", 0)
    return days if gone in (0, 1) else 0


def longer(saved: Mapping[str, Any], today: date) -> dict[str, Any]:
    """The streak after a drill was done today."""
    days = streak(saved, today)
    is_new_day = saved.get("last") != today.isoformat()
    return {**saved, "days": days + is_new_day, "last": today.isoformat()}
