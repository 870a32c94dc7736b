"""JupyterLab that is killed: the command says so, ends all it started, and works again."""

import subprocess
import sys

import psutil
import pytest

from dockyard.core import paths, wait
from tests.commands.test_learn import FIRST_CELL, PATIENCE, Course
from tests.support import homes
from tests.support.command_line import run
from tests.support.restricted_host import needs_root

pytestmark = [pytest.mark.engine, pytest.mark.slow, needs_root]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    homes.fill(folder)
    yield folder
    run("engine", "stop", home=folder)


class Learning(Course):
    """``learn`` in a home, until it ends."""

    def __enter__(self):
        self.said = self.home / "said.txt"
        with self.said.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, *self.argv], env=self.environment, cwd=paths.CHECKOUT,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        self.wait()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def jupyterlab(self):
        children = psutil.Process(self.process.pid).children()
        return next(each for each in children if "jupyterlab" in each.cmdline())


def killed(learning):
    """Kill JupyterLab; return what learn says until it ends, and its exit code."""
    learning.jupyterlab().kill()
    code = learning.process.wait(PATIENCE)
    return learning.said.read_text(), code


def test_learn_ends_says_so_and_works_again(home):
    with Learning(home) as learning:
        assert "a real daemon" in learning.run_cell(
            f"{FIRST_CELL}!docker run --detach --volume kept:/d busybox sh -c 'echo mine > /d/note'"
        )
        said, code = killed(learning)
        assert code == 1
        assert "Traceback" not in said
        assert said.splitlines()[-3:] == [
            "JupyterLab has ended unexpectedly: killed by signal 9.",
            "What was saved is kept. If it was killed, the computer may be short of memory.",
            "Open the course again:  python3 -m dockyard learn",
        ]
        assert "stopping the engine; your work is kept" in said
        wait.until("the kernel to end", lambda: not learning.processes(), 30)
    with Learning(home) as again:
        found = again.run_cell(
            "%load_ext dockyard\n%lesson 00-start-here\n"
            "!docker run --rm --volume kept:/d busybox cat /d/note"
        )
        assert "mine" in found, found
    assert again.process.returncode == 0


def test_an_engine_that_ran_before_runs_on(home):
    done = run("engine", "start", "--engine", "embedded", home=home)
    assert done.returncode == 0, done.stderr
    with Learning(home) as learning:
        kernel_said = learning.run_cell(FIRST_CELL)
        assert "a real daemon" in kernel_said
        said, code = killed(learning)
        assert (code, "stopping the engine" in said) == (1, False)
        # A kernel looks every second whether the server is there.
        wait.until("the kernel to end", lambda: not kernels(home), 30)
    assert run("engine", "status", home=home).returncode == 0


def kernels(home):
    found = []
    for each in psutil.process_iter():
        try:
            if "ipykernel_launcher" in each.cmdline() and str(home) in str(each.environ()):
                found.append(each.pid)
        except psutil.Error:
            continue
    return found


def test_a_kill_while_the_engine_is_being_set_up_leaves_nothing(home):
    run("engine", "stop", home=home)
    with Learning(home) as learning:
        _, code = killed(learning)
        assert code == 1
        assert learning.processes() == []
    done = run("engine", "start", "--engine", "embedded", home=home)
    assert done.returncode == 0, done.stderr
