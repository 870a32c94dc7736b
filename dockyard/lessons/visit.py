"""A learner's visit to a lesson: its folder, its scene, and its tasks.

A visit lasts until ``%tidy``. When the first cell is run again, or in another kernel, the learner
goes on with what is there.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from dockyard import cleanup
from dockyard.core import docker_client, wheelhouse, whole_file
from dockyard.labs import attempt as attempts
from dockyard.labs.attempt import Attempt
from dockyard.lessons import lesson_catalog
from dockyard.lessons.lesson_catalog import LessonPage

MARK = ".visit.json"
"""In the lesson's folder: which daemon has the scene, and of which lesson's edition."""


def attempt_at(name: str, here: Path, *, counts: bool = True) -> Attempt:
    """An attempt at a lesson's tasks; here is the folder of its page.

    It counts in the learner's progress, unless a program runs the page.
    """
    kind = "lesson" if counts else "page"
    return Attempt(lesson_catalog.load(name), {}, kind, folder=here / "work" / name)


def begin(
    name: str, here: Path, *, fresh: bool = False, counts: bool = True
) -> tuple[Attempt, bool]:
    """Begin a visit, or go on with it; says whether it goes on.

    A new one starts without the objects of an earlier one; files of the learner are kept beside
    the new folder. Raises EngineNotRunning, SceneFailed, InstallFailed, Busy or OSError.
    """
    lesson = lesson_catalog.load(name)
    attempt = attempt_at(name, here, counts=counts)
    with closing(docker_client.connect()) as daemon:
        now = {"daemon": daemon.info()["ID"], "scene": _edition(lesson)}
        if not fresh and _mark(attempt.work) == now:
            return attempt, True
        cleanup.remove(daemon, lesson=name)
    docker_client.write_config(name)  # without the contexts and log-ins of an earlier visit
    if counts:
        with attempts.change_tasks(lesson) as tasks:
            for entry in tasks.values():
                if "done" in entry:
                    entry["before"] = entry.pop("done")
    attempts.make_folder(attempt)
    if lesson.guestbook:
        wheelhouse.copy_guestbook(attempt.work / "guestbook")
    attempts.set_scene(attempt, lesson.scene)
    whole_file.write(attempt.work / MARK, json.dumps(now).encode())
    return attempt, False


def current(name: str, here: Path) -> Attempt | None:
    """The visit to a lesson that goes on, for readers who do not ask the daemon."""
    attempt = attempt_at(name, here)
    return attempt if _mark(attempt.work) else None


def end(attempt: Attempt) -> None:
    """End a visit: the next one begins anew."""
    (attempt.work / MARK).unlink(missing_ok=True)


def _mark(folder: Path) -> Any:
    try:
        return json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _edition(lesson: LessonPage) -> str:
    """Changes with the scene: after an update of the course, the lesson may need another one."""
    return hashlib.sha256(repr((lesson.guestbook, lesson.scene)).encode()).hexdigest()[:8]
