"""``check``: how far a lab is done, once or while the learner works."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import docker
import requests

from dockyard.core import docker_client, paths
from dockyard.core.labels import CHECK
from dockyard.exceptions import EngineNotRunning, UsageError
from dockyard.labs import attempt as attempts
from dockyard.labs import hints, judge, lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.lab_magic import describe

PAUSE = 1
"""Seconds between two looks while one watches."""

READING = ("exec_", "archive-path", "top", "save")
"""What the daemon says it has done when a check looks into an object: nothing changes by it."""


def run(options: argparse.Namespace) -> int:
    """Check what was asked for; raises UsageError for options that do not go together."""
    if options.hint and not options.tasks:
        raise UsageError("Say which task you want a hint for.", next="Name it after the lab.")
    if options.json and (options.watch or options.hint):
        raise UsageError(
            "--json does not go with --watch or --hint, which are for people.",
            next=f"What is done, as data:  python3 -m dockyard check {options.lab} --json",
        )
    return check(
        options.lab,
        options.tasks,
        watch=options.watch,
        new=options.new,
        hint=options.hint,
        as_json=options.json,
    )


def check(
    name: str,
    tasks: list[str],
    *,
    watch: bool = False,
    new: bool = False,
    hint: bool = False,
    as_json: bool = False,
) -> int:
    """Judge a lab, begun now when it has not: 0 when all that was asked about is done, else 1."""
    lab = lab_catalog.load(name)
    for task in tasks:
        lab.task(task)
    fresh = new or attempts.current(lab) is None
    attempt = attempts.begin(lab) if new else attempts.resume(lab)
    if hint:
        print("\n\n".join(hints.hint(attempt, task) for task in tasks))
        return 0
    if fresh:
        print(describe(attempt), file=sys.stderr)
    if watch:
        return _watch(attempt, tasks)
    verdicts = judge.judge(attempt, tasks)
    if as_json:
        document = {
            "lab": lab.name,
            "values": dict(attempt.values),
            "tasks": [verdict.as_json() for verdict in verdicts],
        }
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        print(judge.summary(verdicts))
    return 0 if all(verdict.done for verdict in verdicts) else 1


def _watch(attempt: Attempt, tasks: list[str]) -> int:
    """Tick tasks off as they come true. Raises EngineNotRunning when the daemon ends."""
    wanted = list(tasks) or [task.name for task in attempt.lab.tasks]
    with closing(docker_client.connect(untraced=True)) as daemon:
        print(f"Watching {attempt.lab.name}; press Ctrl-C to end.", file=sys.stderr)
        try:
            for _ in _changes(daemon, attempt):
                if not (wanted := _tick(attempt, wanted)):
                    break
        except KeyboardInterrupt:
            return 1
        except (docker.errors.DockerException, requests.RequestException):
            raise EngineNotRunning("It stopped answering while it was watched.") from None
    print("All done.")
    return 0


def _tick(attempt: Attempt, wanted: list[str]) -> list[str]:
    verdicts = judge.judge(attempt, wanted)
    for verdict in verdicts:
        if verdict.done:
            print(verdict, flush=True)
    return [verdict.task for verdict in verdicts if not verdict.done]


def _changes(daemon: docker.DockerClient, attempt: Attempt) -> Iterator[None]:
    """Say at once, and then whenever it is so, that a task could have come true."""
    since, helpers, before = time.time(), set(), None
    while True:
        until = time.time()
        span = {"since": f"{since:.9f}", "until": f"{until:.9f}"}
        # All are read, lest the next span has a helper's event whose first was left in this one.
        happened = list(foreign(daemon.events(decode=True, **span), helpers))
        since, now = until, _silent(daemon, attempt)
        if happened or now != before:
            before = now
            yield
        else:
            time.sleep(PAUSE)


def foreign(events: Iterable[dict], helpers: set[str]) -> Iterator[dict]:
    """The events that could make a task come true, and that no check caused itself.

    A check that woke itself would never end. helpers are the ids of the checks' own containers;
    those that come to light are added.
    """
    for event in events:
        attributes = event["Actor"]["Attributes"] or {}
        if CHECK in attributes:
            helpers.add(event["Actor"]["ID"])
        # A network that a helper is on, or a volume, tells no labels, but whose it is.
        elif attributes.get("container") not in helpers and not event["Action"].startswith(READING):
            yield event


def _silent(daemon: docker.DockerClient, attempt: Attempt) -> tuple:
    """What can change without an event: what BuildKit builds, and the learner's files."""
    images = sorted([image["Id"], *(image["RepoTags"] or ())] for image in daemon.api.images())
    return images, [_files(each) for each in (attempt.work, paths.docker_config(attempt.lesson))]


def _files(folder: Path) -> dict[Path, int]:
    files = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            files[path] = path.lstat().st_mtime_ns
    return files
