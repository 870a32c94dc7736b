"""``drill``: practice in a terminal, with commands typed at a prompt or in another terminal.

Plain lines only: no colours, nothing is redrawn, so that a screen reader reads each line once.
"""

from __future__ import annotations

import argparse
import os
import select
import subprocess
import sys

from dockyard.drills import drill_catalog, practice
from dockyard.drills.practice import ELSEWHERE, Practice
from dockyard.exceptions import DockyardError, UsageError
from dockyard.notebook.shell_runner import SHELL

PAUSE = 1
"""Seconds between two looks at the daemon while nobody types."""

WORDS = "next, skip, show or quit"


def run(options: argparse.Namespace) -> int:
    """Practise until there is nothing left or the learner quits; returns 0.

    Without a terminal, commands come from standard input, and the end of it quits. Raises
    UsageError for a drill that does not exist, EngineNotRunning or SceneFailed.
    """
    if options.list:
        print(listed())
        return 0
    if options.streak:
        practice.keep_streak(options.streak == "on")
    place = practice.place_of_terminals()
    place.mkdir(parents=True, exist_ok=True)
    only = [drill for word in options.drills for drill in drill_catalog.choose(word)]
    Prompt(Practice(place, only)).run()
    return 0


def listed() -> str:
    """The names of all drills, by lesson."""
    by_lesson: dict[str, list[str]] = {}
    for drill in drill_catalog.load().values():
        by_lesson.setdefault(drill.lesson, []).append(drill.task.name)
    return "\n".join(f"{lesson}: {', '.join(names)}" for lesson, names in by_lesson.items())


class Prompt:
    """A prompt that runs commands of the shell, and says when the drill is done."""

    def __init__(self, practice: Practice) -> None:
        self._practice = practice

    def run(self) -> None:
        """One drill after the other; what the last one has made is removed at the end."""
        print(f"Type commands here, or in another terminal. Also: {WORDS}.")
        print(f"Commands run in the folder {self._practice.place}.")
        try:
            if self._next():
                while self._hear(self._line()):
                    pass
        except KeyboardInterrupt:
            print()
        finally:
            self._practice.end()
        print(f"{self._practice.count} done now. {self._practice.counts()}")

    def _next(self) -> bool:
        if self._practice.next():
            assert self._practice.drill
            print(f"\nDrill {self._practice.drill.task.name}: {self._practice.goal}", flush=True)
            return True
        print("\nNothing else to practise now.")
        return False

    def _line(self) -> str | None:
        """The line that was typed; None at the end of the input. Looks at the daemon meanwhile."""
        if sys.stdin.isatty():
            print("> ", end="", flush=True)
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            self._look()
        # Not input(): its own buffer could hold further lines, for which select() would wait.
        typed = bytearray()
        while (byte := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
            typed += byte
        return typed.decode(errors="replace").strip() if typed or byte else None

    def _hear(self, typed: str | None) -> bool:
        """Do what was typed; whether to go on."""
        if typed in (None, "quit", "exit"):
            return False
        if typed in ("next", "skip"):
            return self._next()
        if typed == "show":
            print(self._practice.show())
        elif typed:
            self._run(typed)
        self._look()
        return True

    def _run(self, command: str) -> None:
        attempt = self._practice.attempt
        assert attempt
        try:
            subprocess.run(
                [SHELL, "-c", command],
                env=attempt.process_environment(),
                cwd=self._practice.place,
                check=False,
            )
        except KeyboardInterrupt:
            print()

    def _look(self) -> None:
        if self._practice.is_another_at_hand():
            raise UsageError(ELSEWHERE)
        try:
            if self._practice.look() and self._practice.verdict:
                verdict = self._practice.verdict
                if verdict.done:
                    print(f"Done. {verdict.saw}\nType  next  for another one.", flush=True)
                elif verdict.check_failed or verdict.mistake:
                    print(verdict, flush=True)
                else:
                    print(f"Not yet. {verdict.saw}", flush=True)
        except DockyardError as error:
            print(error, flush=True)
