"""``check`` and ``progress`` at the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing

from dockyard import client, progress
from dockyard.labs import attempt as attempts
from dockyard.labs import catalogue, hints, judge
from dockyard.labs.attempt import Attempt
from dockyard.labs.magic import describe
from dockyard.names import CHECK

READING = ("exec_", "archive-path", "top", "save")
"""What the daemon says it has done when a check looks into an object: nothing changes by it."""


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
    lab = catalogue.load(name)
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
    """Follow the daemon's events and tick tasks off as they come true."""
    wanted = list(tasks) or [task.name for task in attempt.lab.tasks]
    with closing(client.connect(timeout=None)) as daemon:
        events = daemon.events(decode=True)
        news = foreign(events)
        print(f"Watching {attempt.lab.name}; press Ctrl-C to end.", file=sys.stderr)
        try:
            while wanted := _tick(attempt, wanted):
                next(news, None)
        except KeyboardInterrupt:
            return 1
        finally:
            events.close()
    print("All done.")
    return 0


def _tick(attempt: Attempt, wanted: list[str]) -> list[str]:
    verdicts = judge.judge(attempt, wanted)
    for verdict in verdicts:
        if verdict.done:
            print(verdict, flush=True)
    return [verdict.task for verdict in verdicts if not verdict.done]


def foreign(events: Iterable[dict]) -> Iterator[dict]:
    """The events that could make a task come true, and that no check caused itself.

    A check that woke itself would never end.
    """
    helpers = set()
    for event in events:
        attributes = event["Actor"]["Attributes"] or {}
        if CHECK in attributes:
            helpers.add(event["Actor"]["ID"])
        # A network that a helper is on, or a volume, tells no labels, but whose it is.
        elif attributes.get("container") not in helpers and not event["Action"].startswith(READING):
            yield event


def show_progress(*, as_json: bool = False) -> int:
    """What has been done so far in labs, questions and predictions."""
    document = report()
    if as_json:
        print(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        print(render(document))
    return 0


def report() -> dict:
    """The progress as data: for each lab the tasks done, of how many, and the hints taken."""
    data = progress.read()
    labs = []
    for name in catalogue.names():
        lab = catalogue.load(name)
        tasks = data.get("labs", {}).get(name, {}).get("tasks", {})
        done = [
            task.name
            for task in lab.tasks
            if "done" in (entry := tasks.get(task.name, {})) and entry["edition"] == task.edition
        ]
        hinted = sum(entry.get("hints", 0) for entry in tasks.values())
        labs.append({"lab": name, "done": done, "of": len(lab.tasks), "hints": hinted})
    return {
        "labs": labs,
        "answers": _counts(data.get("answers", {})),
        "guesses": _counts(data.get("guesses", {})),
        "file": str(progress.path()),
    }


def _counts(given: dict) -> list[dict]:
    return [
        {
            "lesson": lesson,
            "given": len(entries),
            "right": sum(bool(entry.get("right")) for entry in entries.values()),
        }
        for lesson, entries in sorted(given.items())
    ]


def render(document: dict) -> str:
    """The progress as a table for people."""
    lines = ["Labs"]
    for each in document["labs"]:
        bar = "■" * len(each["done"]) + "□" * (each["of"] - len(each["done"]))
        lines.append(f"  {each['lab']:<32} {len(each['done']):>2} of {each['of']:>2}  {bar}")
    for key, title in (("answers", "Questions"), ("guesses", "Predictions")):
        if document[key]:
            lines.append(title)
            lines += [
                f"  {each['lesson']:<32} {each['right']:>2} right of {each['given']} given"
                for each in document[key]
            ]
    return "\n".join(lines)
