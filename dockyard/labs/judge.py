"""Judging an attempt: each task's check is asked, and what is done is written down."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import docker
import requests

from dockyard.core import docker_client, progress_file
from dockyard.exceptions import EngineNotRunning
from dockyard.labs import lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.lab_catalog import Lab, Task
from dockyard.labs.look import Look
from dockyard.labs.verdict import NotYet, Verdict

Check = Callable[[Look], str]
"""Returns the sentence for a task that is done, or raises NotYet or Broken."""

AT_ONCE = 4
"""Tasks that are looked at side by side: most of a check is waiting for containers."""


def check_of(lab: Lab, task: Task) -> Check:
    """The function that checks a task: checks/<lab>.py, named after the task."""
    module = lab.name.split("-", 1)[-1].replace("-", "_")
    found = importlib.import_module(f"dockyard.labs.checks.{module}")
    return getattr(found, task.name.replace("-", "_"))


def judge(attempt: Attempt, tasks: Iterable[str] = ()) -> list[Verdict]:
    """The verdicts on the named tasks, by default on all but the reps. Raises EngineNotRunning.

    Nothing on the daemon is changed. What is done in a learner's attempt is written into the
    progress.
    """
    chosen = [attempt.lab.task(name) for name in tasks] or attempt.lab.graded
    with closing(docker_client.connect()) as daemon, ThreadPoolExecutor(AT_ONCE) as pool:
        look = Look(daemon, attempt)
        verdicts = list(pool.map(lambda task: _verdict(attempt, task, look), chosen))
    if attempt.kind == "lab":
        _write_down(attempt.lab, verdicts)
    return verdicts


def _verdict(attempt: Attempt, task: Task, look: Look) -> Verdict:
    try:
        return Verdict(task.name, "done", check_of(attempt.lab, task)(look))
    except NotYet as found:
        mistake = lab_catalog.mistakes()[found.mistake] if found.mistake else None
        expected = found.expected or " ".join(attempt.fill(task.goal).split())
        return Verdict(task.name, found.state, found.saw, expected, mistake)
    except requests.ConnectionError:
        raise EngineNotRunning("It stopped answering while the tasks were checked.") from None
    except (docker.errors.DockerException, requests.RequestException) as error:
        said = str(error).splitlines()[0]
        return Verdict(task.name, "broken", f"The daemon would not say: {said}")
    except Exception as error:
        # One odd answer must not keep the verdicts on all the other tasks from the learner.
        odd = f"What is there is not understood by this check ({type(error).__name__})."
        return Verdict(task.name, "broken", odd)


def _write_down(lab: Lab, verdicts: list[Verdict]) -> None:
    with progress_file.change() as data:
        tasks = data.setdefault("labs", {}).setdefault(lab.name, {}).setdefault("tasks", {})
        for verdict in verdicts:
            entry = tasks.setdefault(verdict.task, {})
            edition = lab.task(verdict.task).edition
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
    """All verdicts, and a last line with how many are done."""
    done = sum(verdict.done for verdict in verdicts)
    return "\n".join([*map(str, verdicts), f"{done} of {len(verdicts)} done."])
