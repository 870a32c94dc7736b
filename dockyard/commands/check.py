"""``check``: reports which tasks of a lab are done, once or while the learner works."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from dockyard.core import classroom_file
from dockyard.core.console import say
from dockyard.exceptions import UsageError
from dockyard.labs import attempt as attempts
from dockyard.labs import hints, judge, lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.follower import Follower
from dockyard.quiz import first_edition_progress

PAUSE = 1
"""Seconds between two looks at the daemon with ``--watch``."""


def run(options: argparse.Namespace) -> int:
    """Check a lab. Raises UsageError for options that exclude each other."""
    if options.hint and not options.tasks:
        raise UsageError(
            "Say which task you want a hint for.",
            next=f"For example:  python3 -m dockyard check {options.lab} TASK --hint",
        )
    if options.json and (options.watch or options.hint):
        raise UsageError(
            "--json does not go with --watch or --hint, whose output is for people.",
            next=f"Print the verdicts as JSON:  python3 -m dockyard check {options.lab} --json",
        )
    first_edition_progress.carry_over(say)
    return check(
        options.lab,
        options.tasks,
        watch=options.watch,
        plain=options.plain,
        new=options.new,
        hint=options.hint,
        as_json=options.json,
    )


def check(
    name: str,
    tasks: list[str],
    *,
    watch: bool = False,
    plain: bool = False,
    new: bool = False,
    hint: bool = False,
    as_json: bool = False,
) -> int:
    """Judge the named tasks, by default all; return 0 when all of them are done, else 1.

    Begins an attempt at the lab when there is none, and the named cases that have not begun; new
    begins these again. hint prints hints instead. watch goes on until they are done, on a whole
    screen where there is a terminal for it, and in lines with plain.
    """
    lab = lab_catalog.load(name)
    for task in tasks:
        lab.exercise(task)
    cases = [task for task in tasks if lab.exercise(task).fault]
    anew = new and not cases
    fresh = anew or attempts.current(lab) is None
    attempt = attempts.begin(lab) if anew else attempts.resume(lab)
    if news := classroom_file.news():
        print(news, file=sys.stderr)
    if hint:
        print("\n\n".join(hints.hint(attempt, task) for task in tasks))
        return 0
    if fresh:
        print(attempts.describe(attempt), file=sys.stderr)
    broken = [case for case in cases if new or case not in attempts.begun_cases(attempt)]
    for case in broken:
        print(attempts.begin_case(attempt, lab.exercise(case)), file=sys.stderr)
    if watch and not plain and _has_screen():
        return _watch_on_screen(attempt, tasks, read_first=bool(fresh or broken or news))
    if watch:
        return _watch(attempt, tasks or [task.name for task in lab.exercises])
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


def _has_screen() -> bool:
    """Whether there is a terminal that can be redrawn, and nobody has asked for plain text."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return False
    return sys.stdin.isatty() and sys.stdout.isatty()


def _watch_on_screen(attempt: Attempt, tasks: list[str], *, read_first: bool) -> int:
    """Show the tasks until the learner quits, after Enter if there is something to read first.

    Raises what LabScreen.run() does.
    """
    if read_first:
        input("\nPress Enter to watch. ")
    # Importing rich takes longer than most commands.
    from dockyard.labs.task_board import TaskBoard
    from dockyard.panels.lab_screen import LabScreen

    board = TaskBoard(attempt, tasks)
    LabScreen(board).run()
    print(f"{board.count} of {len(board.tasks)} done.")
    return 0 if board.is_done else 1


def _watch(attempt: Attempt, wanted: list[str]) -> int:
    """Tick tasks off as they come true. Raises EngineNotRunning when the daemon ends."""
    print(f"Watching {attempt.lab.name}; press Ctrl-C to end.", file=sys.stderr)
    follower = Follower(attempt)
    said: dict[str, str] = {}
    try:
        while wanted:
            if verdicts := follower.look(wanted):
                for verdict in verdicts:
                    if (text := str(verdict)) != said.get(verdict.task):
                        print(text, flush=True)
                    said[verdict.task] = text
                wanted = [verdict.task for verdict in verdicts if not verdict.done]
            else:
                time.sleep(PAUSE)
    except KeyboardInterrupt:
        return 1
    print("All done.")
    return 0
