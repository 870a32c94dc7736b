"""``learn`` from start to end: from a script, at a terminal, and a second time."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pexpect
import psutil
import pytest
from jupyter_client import BlockingKernelClient

from dockyard.core import paths, ports, process, wait
from dockyard.jupyter import jupyter_environment
from tests.support import homes
from tests.support.command_line import run

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a second daemon is started as root"),
]
TOKEN = "tugboat"
PATIENCE = 300
"""Seconds, for a computer that runs other tests as well."""

FIRST_CELL = """\
%load_ext dockyard
%lesson 00-start-here
!docker run --rm busybox echo "a real daemon"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learn")
    homes.fill(folder)
    yield folder
    run("engine", "stop", home=folder)


def _reset_signals():
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Course:
    """Starts ``learn`` in a home and finds out what it has started."""

    def __init__(self, home):
        self.home = home
        self.port = ports.choose(0)
        self.argv = [
            *("-m", "dockyard", "learn", "--engine", "embedded"),
            *("--no-browser", "--port", str(self.port)),
        ]
        self.environment = os.environ | {
            "DOCKYARD_HOME": str(home),
            "JUPYTER_TOKEN": TOKEN,
        }

    def ask(self, path, method="GET"):
        """JupyterLab's answer, or None while it does not answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method,
            headers={"Authorization": f"token {TOKEN}"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def wait(self):
        wait.until("JupyterLab", lambda: self.ask("/api"), PATIENCE)

    def run_cell(self, code):
        """The output of a cell in a kernel that JupyterLab started; its files are in the home."""
        kernel = json.loads(self.ask("/api/kernels", "POST"))["id"]
        client = BlockingKernelClient()
        client.load_connection_file(str(self.runtime() / f"kernel-{kernel}.json"))
        client.start_channels()
        said = []

        def hear(message):
            said.append(message["content"].get("text", ""))
            said.extend(message["content"].get("traceback", []))

        def answers():
            try:
                client.wait_for_ready(timeout=PATIENCE)
            except RuntimeError:
                # It also gives up on a kernel that is late for one heartbeat, a second.
                return False
            return True

        try:
            wait.until("the kernel", answers, PATIENCE)
            code = f"%cd -q {self.home}\n{code}"
            client.execute_interactive(code, output_hook=hear, timeout=PATIENCE)
        finally:
            client.stop_channels()
        return "".join(said)

    def runtime(self):
        """The folder of the kernels' connection files, which is another one for each home."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("DOCKYARD_HOME", str(self.home))
            return jupyter_environment.runtime()

    def processes(self):
        """The names of all processes with this home in their arguments or environment."""
        found = []
        for each in psutil.process_iter():
            try:
                if str(self.home) in " ".join([*each.cmdline(), *each.environ().values()]):
                    found.append(each.name())
            except psutil.Error:
                continue
        return found

    def at_a_terminal(self):
        """Start it at a terminal, with the signal handlers that an interactive shell leaves."""
        return pexpect.spawn(
            sys.executable, self.argv, env=self.environment, cwd=str(paths.CHECKOUT),
            encoding="utf-8", timeout=PATIENCE,
            preexec_fn=_reset_signals,
        )  # fmt: skip


def test_started_from_a_script_it_serves_the_course_until_it_is_killed(home):
    course = Course(home)
    log = home / "said.txt"
    with log.open("w") as said:
        started = subprocess.Popen(
            [sys.executable, *course.argv], env=course.environment, cwd=paths.CHECKOUT,
            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
    try:
        course.wait()
        assert "JupyterLab" in course.ask("/lab/tree/notebooks/00-start-here.ipynb")
        assert "a real daemon" in course.run_cell(FIRST_CELL)
    finally:
        started.terminate()
        code = started.wait(PATIENCE)
    assert code == 0
    lines = log.read_text()
    assert re.search(r"\[ +\d+\.\d s\] the daemon answers", lines)
    assert "\x1b" not in lines
    assert course.processes() == []
    assert str(home) not in Path("/proc/self/mountinfo").read_text()


def test_a_second_start_at_a_terminal_reuses_everything_and_ctrl_c_ends_it(home):
    images = {file: file.stat().st_mtime_ns for file in (home / "registry").rglob("data")}
    course = Course(home)
    terminal = course.at_a_terminal()
    try:
        terminal.expect("running: embedded")
        before = terminal.before
        course.wait()
        terminal.sendintr()
        terminal.expect("stopping the engine; your work is kept")
        terminal.expect(pexpect.EOF)
    finally:
        terminal.close()
    assert terminal.exitstatus == 0
    for once in ("installing", "copying", "building", "making"):
        assert once not in before
    assert {file: file.stat().st_mtime_ns for file in images} == images
    assert course.processes() == []


def test_jupyterlab_is_there_before_the_engine_and_an_interrupt_ends_both(home):
    """The engine waits for a lock that this test holds."""
    course = Course(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKYARD_HOME", str(home))
        lock = process.Lock("course")
    with lock:
        terminal = course.at_a_terminal()
        try:
            course.wait()
            said = course.ask("/dockyard/course")
            assert json.loads(said)["setup"]["running"]
            terminal.sendintr()
            terminal.expect("stopping the engine; your work is kept")
        finally:
            lock.__exit__()
            terminal.expect(pexpect.EOF)
            terminal.close()
    assert course.processes() == []


def test_an_engine_that_cannot_start_is_told_in_the_terminal_and_in_the_notebook(home):
    course = Course(home)
    course.argv[course.argv.index("embedded")] = "local"
    course.environment |= {"DOCKER_HOST": "unix:///nobody-is-here.sock"}
    terminal = course.at_a_terminal()
    try:
        terminal.expect("python3 -m dockyard learn --engine")
        course.wait()
        said = course.run_cell("%load_ext dockyard\n%lesson 00-start-here")
        assert "nobody-is-here.sock" in terminal.before
        assert "nobody-is-here.sock" in said
        assert "python3 -m dockyard learn --engine" in said
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
    finally:
        terminal.close()
    assert course.processes() == []


HANGS = """\
import sys, threading
if "jupyterlab" in sys.orig_argv:
    threading.Thread(target=threading.Event().wait).start()
"""
"""A module that Python imports when it starts: JupyterLab gets a thread that never ends."""


def test_shutting_jupyterlab_down_in_its_menu_ends_the_course_even_if_it_hangs(home, tmp_path):
    course = Course(home)
    course.argv[course.argv.index("embedded")] = "local"
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    course.environment |= {
        "DOCKER_HOST": "unix:///nobody-is-here.sock",
        "PYTHONPATH": str(tmp_path),
    }
    terminal = course.at_a_terminal()
    try:
        course.wait()
        time.sleep(5)  # learn looks at the port every 0.2 s
        assert course.ask("/api/shutdown", "POST") is not None
        terminal.expect("stopping the engine; your work is kept")
        terminal.expect(pexpect.EOF)
    finally:
        terminal.close()
    assert terminal.exitstatus == 0
    assert course.processes() == []


def test_closing_the_terminal_ends_it(home):
    course = Course(home)
    terminal = course.at_a_terminal()
    course.wait()
    terminal.ptyproc.fileobj.close()
    terminal.ptyproc.closed = terminal.closed = True
    wait.until("the course to end", lambda: not course.processes(), PATIENCE)
    assert str(home) not in Path("/proc/self/mountinfo").read_text()
