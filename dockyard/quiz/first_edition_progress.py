"""Counts a learner's progress of the first edition under today's numbers.

Nothing is lost: the file as it was stays beside the new one. Doing it again changes nothing.
"""

from __future__ import annotations

import json
from typing import Any

from dockyard.core import progress_file, whole_file
from dockyard.core.console import Say
from dockyard.labs import lab_catalog
from dockyard.learner_copy.first_edition import RENUMBERED
from dockyard.quiz import bank


def carry_over(say: Say) -> None:
    """Count what was done under an old number under today's.

    A task of a lab whose text has changed since counts as done before. Answers to what is no longer
    asked are kept under "first edition". Raises Busy, DiskFull or UnwritableFolder.
    """
    if not _moves(progress_file.read()):
        return
    with progress_file.change() as data:
        if not (moves := _moves(data)):
            return  # another command was faster
        kept = progress_file.path().with_suffix(".first-edition.json")
        if not kept.exists():
            whole_file.write(kept, json.dumps(data, indent=1).encode())
        for section, old, new, name in moves:
            entry = _entries(data, section, old).pop(name)
            if section == "labs":
                entry = _done_before(entry, new, name)
                data["labs"].setdefault(new, {}).setdefault("tasks", {})[name] = entry
            else:
                data[section].setdefault(new, {})[name] = entry
        for section in ("answers", "guesses"):
            for old in RENUMBERED:
                if left := data.get(section, {}).pop(old, None):
                    data.setdefault("first edition", {}).setdefault(section, {})[old] = left
    say(
        "your progress of the first edition counts under today's numbers, such as 03-containers "
        f"for 07-containers; the file as it was is {kept}"
    )


def _moves(data: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Section, old page, new page and name of each entry that has a place in today's course."""
    found = []
    for section in ("labs", "answers", "guesses"):
        for old, targets in RENUMBERED.items():
            for name in _entries(data, section, old):
                new = next((each for each in targets if name in _known(section, each)), None)
                if new and name not in _entries(data, section, new):
                    found.append((section, old, new, name))
    return found


def _entries(data: dict[str, Any], section: str, page: str) -> dict[str, Any]:
    found: dict[str, Any] = data.get(section, {}).get(page, {})
    return found.get("tasks", {}) if section == "labs" else found


def _known(section: str, page: str) -> set[str]:
    if section == "labs":
        return {each.name for each in lab_catalog.load(page).exercises}
    if page not in bank.names():
        return set()
    lesson = bank.load(page)
    asked = lesson.questions if section == "answers" else lesson.predictions
    return {each.name for each in asked}


def _done_before(entry: dict[str, Any], page: str, name: str) -> dict[str, Any]:
    edition = lab_catalog.load(page).exercise(name).edition
    if "done" not in entry or entry.get("edition") == edition:
        return entry
    before = {key: value for key, value in entry.items() if key != "done"}
    return before | {"before": entry["done"], "edition": edition}
