"""Judges an attempt: runs the check of each task and saves what is done."""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import requests
from docker.errors import APIError

from dockyard.core import docker_client, paths, progress_file
from dockyard.exceptions import EngineNotRunning
from dockyard.labs import lab_catalog, work_record
from dockyard.labs.attempt import Attempt, begun_cases, change_tasks
from dockyard.labs.lab_catalog import Assignment, Exercise, Page
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, Verdict

Check = Callable[[Probe], str]
"""Returns a sentence when the task is done, otherwise raises NotYet or Broken."""

AT_ONCE = 4
"""Checks that run at the same time; most of a check is waiting for containers."""


def check_of(page: Page, task: Assignment) -> Check:
    """The check of a task: the function named after it in the page's module of checks."""
    module = page.name.split("-", 1)[-1].replace("-", "_")
    found = importlib.import_module(f"{page.CHECKS}.{module}")
    return getattr(found, task.name.replace("-", "_"))


def log_file() -> Path:
    """The log with the tracebacks of checks that failed themselves."""
    return paths.logs() / "checks.log"


def judge(attempt: Attempt, tasks: Iterable[str] = ()) -> list[Verdict]:
    """The verdicts on the named tasks, by default on all tasks but not on reps.

    Does not change the daemon's objects. Saves the verdicts on a learner's attempt in the
    progress file. Raises EngineNotRunning.
    """
    chosen = [attempt.lab.exercise(name) for name in tasks] or attempt.lab.tasks
    with (
        closing(docker_client.connect()) as daemon,
        closing(Probe(daemon, attempt)) as probe,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        verdicts = list(pool.map(lambda task: _verdict(attempt, task, probe), chosen))
    if attempt.is_learners:
        _save(attempt.lab, verdicts)
    if attempt.kind == "lab":
        work_record.tick(attempt.lab.name, [each.task for each in verdicts if each.done])
    return verdicts


def _verdict(attempt: Attempt, task: Assignment, probe: Probe) -> Verdict:
    is_case = isinstance(task, Exercise) and task.fault and attempt.kind == "lab"
    if is_case and task.name not in begun_cases(attempt):
        how = f'case("{task.name}"), or: python3 -m dockyard check {attempt.lab.name} {task.name}'
        return Verdict(task.name, "not yet", "This case has not begun.", f"Begin it. {how}")
    try:
        return Verdict(task.name, "done", check_of(attempt.lab, task)(probe))
    except NotYet as found:
        mistake = lab_catalog.mistakes()[found.mistake] if found.mistake else None
        expected = found.expected or " ".join(attempt.fill(task.goal).split())
        return Verdict(task.name, found.state, found.saw, expected, mistake)
    except requests.ConnectionError:
        raise EngineNotRunning("It stopped answering while the tasks were checked.") from None
    except Exception as error:
        if _is_the_daemons(error):
            # The SDK puts its own words and an address in front of the daemon's.
            words = getattr(error, "explanation", None) or str(error)
            said = str(words).splitlines()[0]
            return Verdict(task.name, "broken", f"The daemon would not say: {said}")
        return Verdict(task.name, "check failed", _report(attempt.lab, task))


def _is_the_daemons(error: Exception) -> bool:
    """Whether the daemon refused for a reason that a learner or the daemon can bring about.

    Such as a container that was removed or stopped during the check. A 400 is a bad request,
    which only the check can have made.
    """
    if isinstance(error, APIError):
        return error.status_code != 400
    return isinstance(error, requests.RequestException)


def _report(lab: Page, task: Assignment) -> str:
    """Log the exception that is being handled; return what to tell the learner."""
    entry = f"{lab.name}/{task.name}\n{traceback.format_exc()}"
    try:
        log_file().parent.mkdir(parents=True, exist_ok=True)
        with log_file().open("a+") as log:
            log.seek(0)
            # --watch runs a check again and again.
            if entry not in log.read():
                log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {entry}\n")
        log_note = f"The details are in {log_file()}; please report them"
    except OSError as error:
        log_note = f"The log {log_file()} could not be written ({error.strerror}); please report it"
    return (
        "The check itself failed. This is a mistake in the course, not yours. "
        f"{log_note} where you got the course from."
    )


def _save(lab: Page, verdicts: list[Verdict]) -> None:
    with change_tasks(lab) as tasks:
        for verdict in verdicts:
            if verdict.check_failed:
                continue
            entry = tasks.setdefault(verdict.task, {})
            edition = lab.exercise(verdict.task).edition
            if entry.get("edition") != edition:
                entry.pop("done", None)
            if verdict.done:
                entry.setdefault("done", progress_file.now())
                entry["edition"] = edition
            elif verdict.mistake:
                met = entry.setdefault("mistakes", [])
                if verdict.mistake.name not in met:
                    met.append(verdict.mistake.name)


def summary(verdicts: list[Verdict]) -> str:
    """All verdicts, and a last line that counts the tasks done."""
    done = sum(verdict.done for verdict in verdicts)
    return "\n".join([*map(str, verdicts), f"{done} of {len(verdicts)} done."])
