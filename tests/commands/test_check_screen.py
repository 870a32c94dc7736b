"""``check --watch`` in a real terminal: a whole screen that ticks, and gives the terminal back."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import contextmanager

import pexpect
import pyte
import pytest

from dockyard.core import paths, wait
from dockyard.labs import attempt as attempts
from dockyard.panels import lab_screen
from tests.support.lab_attempts import LAB, start_web

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_progress")]

PATIENCE = 120
CHECK = f"{sys.executable} -m dockyard check 03"
COMMAND = f"{CHECK} --watch"
TO_SCREEN, FROM_SCREEN, CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


class Terminal:
    """A terminal in which a program runs, as a learner sees it."""

    def __init__(self, command, width=80, height=24, **environment):
        kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        # As in a terminal, even where the tests themselves were told to ignore Ctrl-C.
        words = ["--default-signal=INT", *command.split()]
        self.program = pexpect.spawn(
            "env", words, dimensions=(height, width), encoding="utf-8", timeout=PATIENCE,
            cwd=str(paths.CHECKOUT), env=kept | {"TERM": "xterm-256color", **environment},
        )  # fmt: skip
        self.modes = termios.tcgetattr(self.program.child_fd)
        self.picture = pyte.Screen(width, height)
        self.stream = pyte.Stream(self.picture)
        self.said = ""

    def read(self):
        """What there is to see now: the lines that are not empty."""
        try:
            while True:
                more = self.program.read_nonblocking(65536, 0)
                self.said += more
                self.stream.feed(more)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return [line.rstrip() for line in self.picture.display if line.strip()]

    def until(self, words):
        """The lines, when one of them contains the words."""
        return wait.until(
            f"{words!r}", lambda: (lines := self.read()) and words in " ".join(lines) and lines,
            PATIENCE,
        )  # fmt: skip

    def resize(self, width, height):
        self.picture.resize(height, width)
        self.program.setwinsize(height, width)

    def end(self):
        """The exit code of the program, when it has ended and all it said was read."""
        wait.until("the end", lambda: self.read() is None or not self.program.isalive(), PATIENCE)
        self.read()
        return self.program.exitstatus

    def is_as_before(self):
        """Whether the terminal has its modes, its own screen and its cursor."""
        modes = termios.tcgetattr(self.program.child_fd) == self.modes
        screen = self.said.rfind(FROM_SCREEN) >= self.said.rfind(TO_SCREEN)
        return modes and screen and (self.said.rfind(CURSOR) >= self.said.rfind("\x1b[?25l"))


@contextmanager
def terminal(command=COMMAND, *size, **environment):
    shown = Terminal(command, *size, **environment)
    try:
        yield shown
    finally:
        shown.program.close(force=True)


def test_it_ticks_gives_hints_and_gives_the_terminal_back():
    attempt = attempts.begin(LAB)
    web = attempt.values["WEB"]
    with terminal() as shown:
        lines = shown.until(f"Now: There is no container called {web}.")
        assert lines[0] == "Lab: Containers · 0 of 4 tasks done"
        assert "› ○ A web server that comes back" in lines
        for number in range(1, 5):
            shown.program.send("h")
            shown.until(f"Hint {number} of 4.")
        shown.program.send("b")
        shown.until("1 of 4. A web server that comes back")
        shown.program.send("\x1b[B")
        shown.until("› ○ A page of your own")
        shown.program.send("p")
        shown.until("› ○ A web server that comes back")
        start_web(attempt)
        lines = shown.until("Done: web. 1 of 4.")
        assert "  ✔ A web server that comes back" in lines
        assert "› ○ A page of your own" in lines, "the next task is at hand"
        shown.program.send("q")
        assert shown.end() == 1
        assert "1 of 4 done." in shown.said.rpartition(FROM_SCREEN)[2]
        assert shown.is_as_before()


def test_named_tasks_that_are_all_done_end_with_0():
    attempt = attempts.begin(LAB)
    with terminal(f"{CHECK} web --watch") as shown:
        shown.until("0 of 1 tasks done")
        start_web(attempt)
        shown.until("All done. Press q to end.")
        shown.program.send("q")
        assert shown.end() == 0


def test_what_is_said_at_the_beginning_can_be_read_first():
    with terminal() as shown:
        shown.until("Press Enter to watch.")
        assert "Your values in this lab:" in shown.said
        assert TO_SCREEN not in shown.said
        shown.program.send("\r")
        shown.until("0 of 4 tasks done")


def test_it_follows_the_size_of_the_terminal():
    attempts.begin(LAB)
    with terminal(COMMAND, 80, 24) as shown:
        shown.until("0 of 4 tasks done")
        shown.resize(30, 16)
        narrow = ["Lab: Containers · 0 of 4 tasks", "done", "─" * 30]
        wait.until("the narrow screen", lambda: shown.read()[:3] == narrow, PATIENCE)
        shown.resize(15, 5)
        shown.until("Too small")
        shown.resize(100, 30)
        shown.until("1 of 4. A web server that comes back")
        shown.program.send("q")
        assert shown.end() == 1
        assert shown.is_as_before()


@pytest.mark.parametrize("moment", [0.0, 0.4, 0.8, 1.2, 2.0, "drawn", "looking"])
def test_ctrl_c_ends_it_at_any_moment_and_gives_the_terminal_back(moment):
    attempts.begin(LAB)
    with terminal() as shown:
        if isinstance(moment, float):
            # Where it is then depends on the computer: none of the places may matter.
            time.sleep(moment)
        else:
            shown.until("0 of 4 tasks done")
        if moment == "looking":
            shown.program.send("h")
        shown.program.sendintr()
        shown.end()
        assert shown.is_as_before()
        # While Python starts, before main(), it prints a traceback itself.
        assert "Traceback" not in shown.said or ", in main" not in shown.said


def test_a_key_that_ctrl_c_discards_is_not_waited_for(monkeypatch):
    """A terminal discards what was typed just before Ctrl-C, even when select has announced it."""
    learner, terminal = pty.openpty()
    announce = select.select

    def discard(*arguments):
        announced = announce(*arguments)
        termios.tcflush(terminal, termios.TCIFLUSH)
        return announced

    with open(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with lab_screen._keyboard() as keyboard:
            os.write(learner, b"n")
            assert lab_screen._typed(keyboard) == ["n"]
            os.write(learner, b"h")
            # It would wait for the next key.
            later = threading.Timer(PATIENCE, os.write, (learner, b"n"))
            later.start()
            with monkeypatch.context() as patch:
                patch.setattr(select, "select", discard)
                assert lab_screen._typed(keyboard) == []
            later.cancel()
        os.close(learner)
        with pytest.raises(OSError, match="Input/output error"):
            lab_screen._typed(keyboard)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_it_gives_the_terminal_back(number):
    attempts.begin(LAB)
    with terminal() as shown:
        shown.until("0 of 4 tasks done")
        shown.program.kill(number)
        shown.end()
        assert shown.is_as_before()


def test_a_shell_can_suspend_it_and_go_on_with_it():
    attempts.begin(LAB)
    with terminal("bash --norc --noprofile -i", PS1="ready:") as shown:
        shown.until("ready:")
        shown.program.sendline(COMMAND)
        shown.until("0 of 4 tasks done")
        shown.program.sendcontrol("z")
        shown.until("Stopped")
        assert shown.said.rfind(FROM_SCREEN) > shown.said.rfind(TO_SCREEN)
        shown.program.sendline("stty -a")
        shown.until("isig icanon iexten echo")
        shown.program.sendline("fg")
        shown.until("0 of 4 tasks done")
        shown.program.send("q")
        shown.until("0 of 4 done.")


@pytest.fixture
def stopped_engine():
    """A function that takes away the socket of the engine, until the end of the test."""
    door = paths.front_door()
    aside = door.with_name("aside.sock")
    yield lambda: door.rename(aside)
    if aside.exists():
        aside.rename(door)


def test_an_engine_that_stops_is_told_when_the_terminal_is_back(stopped_engine):
    attempts.begin(LAB)
    with terminal() as shown:
        shown.until("Now: There is no container")
        stopped_engine()
        assert shown.end() == 1
        assert "Docker engine is not running." in shown.said.rpartition(FROM_SCREEN)[2]
        assert "Traceback" not in shown.said
        assert shown.is_as_before()


def test_an_attempt_that_ends_elsewhere_is_told():
    attempt = attempts.begin(LAB)
    with terminal() as shown:
        shown.until("0 of 4 tasks done")
        attempts.finish(attempt)
        shown.until("This attempt has ended.")


@pytest.mark.parametrize(
    ("option", "environment"),
    [("", {"NO_COLOR": "1"}), ("", {"TERM": "dumb"}), (" --plain", {})],
    ids=["NO_COLOR", "a dumb terminal", "plain"],
)
def test_who_cannot_use_a_screen_gets_lines(option, environment):
    attempt = attempts.begin(LAB)
    with terminal(f"{CHECK} web --watch{option}", **environment) as shown:
        shown.until("✘ web: not yet.")
        start_web(attempt)
        assert shown.end() == 0
        assert "✔ web: done." in shown.said
        assert "\x1b" not in shown.said


def test_no_other_command_waits_for_what_draws_the_screen():
    probe = (
        "import sys, dockyard.cli, dockyard.commands.check as check; check.check('03', ['web']); "
        "sys.exit('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=paths.CHECKOUT, check=False)
    assert done.returncode == 0
