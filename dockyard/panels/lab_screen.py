"""``check --watch`` in a terminal: a lab on a whole screen, which ticks by itself."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue

from rich.console import Console, Group
from rich.live import Live

from dockyard.exceptions import DockyardError, EngineError
from dockyard.labs.task_board import TaskBoard
from dockyard.panels.screen_layout import ScreenContent, lay_out

PAUSE = 1.0
"""Seconds between two looks at the daemon."""

TICK = 0.2
"""Seconds until a new size of the terminal, or what a look has found, is shown."""

ELSEWHERE = "This attempt has ended. To go on, press q and start the command again."
ALL_DONE = "All done. Press q to end."

NEXT, PREVIOUS = ("n", "\x1b[B", "\x1bOB"), ("p", "\x1b[A", "\x1bOA")
FORTH, BACK = (" ", "\x1b[6~"), ("b", "\x1b[5~")
"""The keys, with what terminals send for arrows and pages."""


class LabScreen:
    """A task board on the screen of a terminal, with keys for hints and for choosing a task."""

    def __init__(self, board: TaskBoard) -> None:
        self._board = board
        self._chosen: tuple[str, bool] | None = None
        """The task that the learner has chosen, and whether it was done then."""
        self._seen: tuple[str, int] | None = None
        """The task shown last, and how many hints it had."""
        self._scroll: int | None = 0
        self._page = 0
        self._asked: SimpleQueue[str] = SimpleQueue()
        self._busy = False
        self._troubles: dict[str, str] = {}
        """Why the last look or the last hint failed, if it did."""
        self._over = threading.Event()
        self._suspended = False
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Show the board until the learner quits; the terminal is then as it was.

        Ctrl-C and the signals that end a program quit, too; Ctrl-Z suspends. Raises EngineError
        when the daemon ends.
        """
        # A thread of its own looks, so that keys work while checks run.
        looking = threading.Thread(target=self._look, name="dockyard-screen", daemon=True)
        looking.start()
        try:
            with self._signals():
                while self._show():
                    _suspend()
        finally:
            self._over.set()
            # A check removes what it has made to try something.
            looking.join()
        if self._failure:
            raise self._failure

    def _look(self) -> None:
        try:
            self._do("look", self._board.look)
            while not self._over.is_set():
                with suppress(Empty):
                    name = self._asked.get(timeout=PAUSE)
                    self._do("hint", partial(self._board.hint, name))
                    self._busy = False
                self._do("look", self._board.look)
        except BaseException as error:
            self._failure = error
            self._over.set()

    def _do(self, kind: str, what: Callable[[], None]) -> None:
        try:
            what()
            self._troubles[kind] = ""
        except EngineError:
            raise
        except (DockyardError, OSError) as error:
            # Such as a progress file that cannot be written now.
            self._troubles[kind] = str(error)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn signals into requests, so that none of them leaves the terminal half restored."""

        def end(*_: object) -> None:
            self._over.set()

        def suspend(*_: object) -> None:
            self._suspended = True

        wanted = {signal.SIGINT: end, signal.SIGTERM: end, signal.SIGHUP: end}
        wanted[signal.SIGTSTP] = suspend
        before = {
            number: signal.signal(number, handler)
            for number, handler in wanted.items()
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _show(self) -> bool:
        """Take the terminal until the end; True when it was given back to suspend the command."""
        self._suspended = False
        console = Console(force_terminal=True, highlight=False)
        # An OSError: the terminal has been closed, so that nothing can be shown or restored.
        with suppress(OSError), _keyboard() as keyboard:
            live = Live(
                console=console, screen=True, auto_refresh=False,
                redirect_stdout=False, redirect_stderr=False,
            )  # fmt: skip
            drawn = None
            with live:
                while not self._over.is_set() and not self._suspended:
                    view, size = self._view(), os.get_terminal_size(sys.stdout.fileno())
                    if (view, size) != drawn:
                        drawn = (view, size)
                        console.size = size
                        lines, self._scroll, self._page = lay_out(view, *size)
                        live.update(Group(*lines), refresh=True)
                    for key in _typed(keyboard):
                        self._press(key)
            return self._suspended and not self._over.is_set()
        self._over.set()
        return False

    def _view(self) -> ScreenContent:
        tasks = self._board.tasks
        names = [task.name for task in tasks]
        if self._chosen and tasks[names.index(self._chosen[0])].done and not self._chosen[1]:
            self._chosen = None
        if self._chosen:
            at = names.index(self._chosen[0])
        else:
            at = next((at for at, task in enumerate(tasks) if not task.done), len(tasks) - 1)
        seen = (names[at], len(tasks[at].hints))
        if self._seen != seen:
            is_new = self._seen is None or self._seen[0] != names[at]
            self._seen, self._scroll = seen, 0 if is_new else None
        title = f"Lab: {self._board.lab.title}"
        return ScreenContent(title, tasks, at, self._scroll, self._busy, self._message())

    def _message(self) -> str:
        if self._board.has_ended:
            return ELSEWHERE
        if trouble := " ".join(filter(None, self._troubles.values())):
            return trouble
        return ALL_DONE if self._board.is_done else self._board.announced

    def _press(self, key: str) -> None:
        """Do what a key asks for; the other keys do nothing."""
        view = self._view()
        scroll = self._scroll or 0
        if key == "q":
            self._over.set()
        elif key == "h" and not self._busy:
            self._busy = True
            self._asked.put(view.task.name)
        elif key in NEXT:
            self._choose(view, view.at + 1)
        elif key in PREVIOUS:
            self._choose(view, view.at - 1)
        elif key in FORTH:
            self._scroll = scroll + max(1, self._page - 1)
        elif key in BACK:
            self._scroll = max(0, scroll - max(1, self._page - 1))

    def _choose(self, view: ScreenContent, at: int) -> None:
        task = view.tasks[at % len(view.tasks)]
        self._chosen = (task.name, task.done)


def _suspend() -> None:
    """Stop this job, as Ctrl-Z does; return when it goes on."""
    ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(0, signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, ours)


@contextmanager
def _keyboard() -> Iterator[int]:
    """Standard input, of which each key is read at once and not shown; Ctrl-C still interrupts."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    try:
        tty.setcbreak(keyboard, termios.TCSANOW)
        mode = termios.tcgetattr(keyboard)
        # Ctrl-C and Ctrl-Z discard what was typed just before: reading must not wait for it then.
        mode[tty.CC][termios.VMIN] = 0
        termios.tcsetattr(keyboard, termios.TCSANOW, mode)
        yield keyboard
    finally:
        # What was typed too late is not for the shell.
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)


def _typed(keyboard: int) -> list[str]:
    """The keys typed meanwhile; waits a moment for one. Raises OSError at the terminal's end."""
    if not select.select([keyboard], [], [], TICK)[0]:
        return []
    typed = os.read(keyboard, 1024)
    if not typed:
        os.get_terminal_size(keyboard)  # an OSError if the terminal has been closed
    return re.findall(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", typed.decode(errors="replace"))
