"""A learner's practice: the drill at hand, what the daemon shows of it, and which one is next.

There is one drill at a time. The progress file has it under "drill", so that the next one removes
what this one made, even in another notebook, terminal or process:

    "drill": {"name": "stop", "id": "1a2b", "values": {"BOX": "engine-otter"}, "folder": "/…"}
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from dockyard import cleanup
from dockyard.core import docker_client, paths, progress_file
from dockyard.core.process import Lock
from dockyard.drills import drill_catalog, schedule
from dockyard.drills.drill_catalog import Drill
from dockyard.labs import attempt as attempts
from dockyard.labs.attempt import Attempt
from dockyard.labs.follower import Follower
from dockyard.labs.verdict import Verdict

FOLDER = "drill"
"""The name of the folder for a drill's files; a number follows where there is one already."""

MARK = ".drill"
"""A file in that folder with the drill's id: no folder without it is removed."""

ELSEWHERE = "Another drill has begun elsewhere, so this one has ended."
"""Said when is_another_at_hand()."""


def place_of_terminals() -> Path:
    """The folder in which the drills of a terminal take place."""
    return paths.learner_copy() / "drills"


@dataclass
class Practice:
    """Drills, one after the other; place is the folder in which the learner works.

    only are the drills that were asked for by name; without them, those are offered that are due
    and new ones, of the lesson first.
    """

    place: Path
    only: Sequence[Drill] = ()
    lesson: str = ""
    attempt: Attempt | None = None
    """The drill at hand; None when there is nothing to practise."""
    verdict: Verdict | None = None
    helped: bool = False
    """Whether its solution was shown."""
    count: int = 0
    """The drills that were done in this practice."""
    _passed: list[str] = field(default_factory=list)
    _follower: Follower | None = None

    @property
    def drill(self) -> Drill | None:
        """The drill at hand."""
        return self.attempt.lab if self.attempt and isinstance(self.attempt.lab, Drill) else None

    @property
    def goal(self) -> str:
        """What is to be done, with the values drawn."""
        return (
            self.attempt.fill(self.drill.task.goal).strip() if self.attempt and self.drill else ""
        )

    @property
    def is_done(self) -> bool:
        """Whether the drill at hand is done."""
        return bool(self.verdict and self.verdict.done)

    def next(self) -> bool:
        """End the drill at hand and begin the next one; False when there is none.

        One that was skipped comes back in another practice. Raises EngineNotRunning, SceneFailed
        or what progress_file.change() does.
        """
        if self.drill:
            self._passed.append(self.drill.task.name)
        self.verdict, self.helped, self._follower = None, False, None
        drill = self._choose()
        if drill is None:
            self.end()
            return False
        self.attempt = begin(drill, self.place)
        self._follower = Follower(self.attempt)
        self.look()
        return True

    def _choose(self) -> Drill | None:
        data = progress_file.read()
        offered = list(self.only) or schedule.waiting(
            drill_catalog.load().values(), data.get("drills", {}), date.today(), self.lesson
        )
        return next((each for each in offered if each.task.name not in self._passed), None)

    def look(self) -> bool:
        """Judge the drill at hand if something has happened; whether there is a new verdict.

        Once done, it stays done. Raises EngineNotRunning or what progress_file.change() does.
        """
        if not self._follower or not self.drill or self.is_done:
            return False
        before, drill = self.verdict, self.drill
        for verdict in self._follower.look([drill.task.name]):
            self.verdict = verdict
            if verdict.done:
                self._save(drill)
        return self.verdict != before

    def _save(self, drill: Drill) -> None:
        today = date.today()
        with progress_file.change() as data:
            entries = data.setdefault("drills", {})
            entries[drill.task.name] = schedule.done(drill, entries, today, helped=self.helped)
            data["streak"] = schedule.longer(data.get("streak", {}), today)
        self.count += 1

    def show(self) -> str:
        """The first right way, with the values drawn; the drill is then due again tomorrow."""
        if not self.attempt or not self.drill:
            return ""
        self.helped = self.helped or not self.is_done
        return self.attempt.fill(self.drill.task.right[0].code)

    def counts(self) -> str:
        """What was done, what is due and, for those who asked for it, the streak: one line."""
        return counts(progress_file.read())

    def end(self) -> cleanup.Removed:
        """End the practice and remove what its drill has made."""
        removed = (
            end(self.attempt) if self.attempt and is_at_hand(self.attempt) else cleanup.Removed()
        )
        self.attempt = self._follower = None
        return removed

    def is_another_at_hand(self) -> bool:
        """Whether a drill has begun elsewhere, so that this one has ended."""
        return self.attempt is not None and not is_at_hand(self.attempt)


def begin(drill: Drill, place: Path) -> Attempt:
    """Begin a drill: remove the earlier one's objects, draw values, set the scene.

    Raises EngineNotRunning, SceneFailed, Busy or what progress_file.change() does.
    """
    with Lock("begin-drill", timeout=120):
        # New names even for the same drill: what is still said about the earlier one is not meant.
        taken = attempts.drawn_for_labs()
        if earlier := at_hand():
            taken.update(earlier.values.values())
            end(earlier)
        values = attempts.draw(drill, "drill", taken=taken)
        attempt = Attempt(drill, values, "drill", secrets.token_hex(2), _free_folder(place))
        # Before the scene: if it fails, the next drill still removes what it made.
        with progress_file.change() as data:
            data["drill"] = {
                "name": drill.task.name,
                "id": attempt.id,
                "values": values,
                "folder": str(attempt.folder),
            }
        docker_client.write_config(attempt.lesson)
        attempt.work.mkdir(parents=True)
        (attempt.work / MARK).write_text(attempt.id)
        attempts.set_scene(attempt, drill.task.scene)
        return attempt


def at_hand() -> Attempt | None:
    """The drill that has begun and not ended, in any notebook or terminal."""
    found = progress_file.read().get("drill") or {}
    drill = drill_catalog.load().get(found.get("name", ""))
    if not drill or not found.get("folder"):
        return None
    values, folder = found.get("values", {}), Path(found["folder"])
    return Attempt(drill, values, "drill", found.get("id", ""), folder)


def is_at_hand(attempt: Attempt) -> bool:
    """Whether a drill is the one that has begun last."""
    return attempt == at_hand()


def end(attempt: Attempt) -> cleanup.Removed:
    """End a drill: remove what it and the learner have made for it, and its folder.

    Raises EngineNotRunning or what progress_file.change() does.
    """
    with closing(docker_client.connect()) as daemon:
        removed = cleanup.remove(daemon, lesson=attempt.lesson)
        removed += cleanup.remove_named(daemon, attempt.values.values(), any_lesson=True)
        cleanup.untag(daemon, attempt.values.values())
    if _is_made_for(attempt):
        shutil.rmtree(attempt.work, ignore_errors=True)
    with progress_file.change() as data:
        if data.get("drill", {}).get("id") == attempt.id:
            del data["drill"]
    return removed


def _is_made_for(attempt: Attempt) -> bool:
    try:
        return bool(attempt.id) and (attempt.work / MARK).read_text() == attempt.id
    except (OSError, ValueError):
        return False


def _free_folder(place: Path) -> Path:
    """A folder that does not exist yet: one of the learner's own is never used, and so stays."""
    names = (f"{FOLDER}{f'-{number}' if number else ''}" for number in (0, *range(2, 1000)))
    return next(place / name for name in names if not (place / name).exists())


def keep_streak(wanted: bool) -> None:
    """Show the days in a row from now on, or no more. Raises what progress_file.change() does."""
    with progress_file.change() as data:
        data.setdefault("streak", {})["shown"] = wanted


def counts(data: dict[str, Any]) -> str:
    """The drills of the learner's progress in one line."""
    found = schedule.count(drill_catalog.load().values(), data.get("drills", {}), date.today())
    line = f"{found['done']} of {found['of']} drills done, {found['due']} due again"
    streak = data.get("streak", {})
    if streak.get("shown"):
        days = schedule.streak(streak, date.today())
        line += f", {days} {'day' if days == 1 else 'days'} in a row"
    return f"{line}."
