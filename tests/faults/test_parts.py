"""Parts of the course that end: it says which one is gone, and one command brings it back."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import psutil
import pytest

from dockyard import course
from dockyard.core import paths, wait
from dockyard.core.process import Service
from dockyard.exceptions import EngineNotRunning
from tests.support import homes
from tests.support.command_line import docker, run
from tests.support.kernels import Kernel
from tests.support.restricted_host import needs_root

pytestmark = [pytest.mark.engine, pytest.mark.slow, needs_root]

MENDS = "python3 -m dockyard engine start"

AS_IN_JUPYTERLAB = {
    # python3 is the one that has the course's packages.
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(paths.CHECKOUT),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A course of its own, started by the command."""
    with homes.running(tmp_path_factory.mktemp("parts")) as folder:
        yield folder


@pytest.fixture
def kept(home):
    """A container that runs and a volume with a file, made before the fault."""
    mend()
    docker("rm", "--force", "kept", check=False)
    docker("run", "--detach", "--init", "--name", "kept", "--volume", "kept:/data", "busybox",
           "sh", "-c", "echo begun; echo mine > /data/note; sleep 10000")  # fmt: skip
    wait.until("the note", lambda: docker("exec", "kept", "cat", "/data/note", check=False), 30)
    return docker("inspect", "--format", "{{.State.Pid}}", "kept").strip()


def mend():
    done = run("engine", "start")
    assert done.returncode == 0, done.stderr
    return done


def kill(process):
    process.send_signal(signal.SIGKILL)
    wait.until("its end", lambda: not process.is_running() or process.status() == "zombie", 30)


def child_of_dockerd(name):
    family = Service("dockerd").process().children(recursive=True)
    return next(each for each in family if each.name() == name)


def lose_run_folder():
    shutil.rmtree(paths.run_dir())


def close_socket():
    """As in the moment between a killed front door's closing of its socket and its end."""
    paths.front_door().unlink()
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(paths.front_door()))


FAULTS = {
    "containerd": (lambda: kill(child_of_dockerd("containerd")), "containerd", True),
    "dockerd": (lambda: kill(child_of_dockerd("dockerd")), "Docker daemon", False),
    "registry": (lambda: kill(Service("registry").process()), "registry", True),
    "front door": (lambda: kill(Service("frontdoor").process()), "front door", True),
    "its socket": (close_socket, "front door", True),
    "run folder": (lose_run_folder, "front door", False),
}


@pytest.mark.parametrize(("cause", "part", "runs_on"), FAULTS.values(), ids=FAULTS)
def test_a_part_that_ends_is_named_and_one_command_brings_it_back(home, kept, cause, part, runs_on):
    wait.until("every part", lambda: course.missing_part() is None, 30)
    cause()
    began = time.monotonic()
    gone = course.missing_part()
    assert part in (gone or ""), gone
    assert time.monotonic() - began < 2
    with pytest.raises(EngineNotRunning, match=part) as said:
        course.raise_if_broken()
    assert MENDS in str(said.value)
    mended = mend()
    assert "Traceback" not in mended.stderr
    assert course.missing_part() is None
    assert docker("run", "--rm", "busybox", "echo", "again") == "again\n"
    assert (
        docker("run", "--rm", "--volume", "kept:/data", "busybox", "cat", "/data/note") == "mine\n"
    )
    if runs_on:
        assert docker("inspect", "--format", "{{.State.Pid}}", "kept").strip() == kept


@pytest.mark.parametrize(
    "cause",
    [
        "dockerd",
        *(
            pytest.param(each, marks=pytest.mark.faults)
            for each in ("front door", "run folder", "registry")
        ),
    ],
)
def test_no_command_says_that_all_is_well(home, kept, tmp_path, cause):
    with Kernel(tmp_path, **AS_IN_JUPYTERLAB) as kernel:
        assert not kernel.run("%lesson 00-start-here").error
        FAULTS[cause][0]()
        part = FAULTS[cause][1]
        status = run("engine", "status")
        assert status.returncode == 1
        assert part in status.stderr
        assert MENDS in status.stderr
        assert not json.loads(run("engine", "status", "--json").stdout)["running"]
        environment = run("engine", "env")
        assert (environment.returncode, environment.stdout) == (1, "")
        doctor = json.loads(run("doctor", "--json").stdout)
        assert part in doctor["machine"]["course"]
        cell = kernel.run("!docker run --rm faults-no-such-image")
        assert "[exit code" in cell.text
        assert re.search(rf"→ .*{part}.* is gone.*{MENDS}", cell.text), cell.text
        lesson = kernel.run("%lesson 00-start-here")
        assert part in lesson.error
        assert MENDS in lesson.error
        mended = kernel.run(
            "!python3 -m dockyard engine start",
        )
        assert "[exit code" not in mended.text, mended.text
        assert not kernel.run("%lesson 00-start-here").error
        assert "again" in kernel.run("!docker run --rm busybox echo again").text


def test_a_part_lost_while_a_command_runs_ends_the_command(home, kept):
    """Nothing waits forever for a daemon that is gone."""
    environment = course.whole_environment()
    for words in (["logs", "--follow", "kept"], ["exec", "kept", "sleep", "1000"], ["events"]):
        with subprocess.Popen(
            ["docker", *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        ) as following:
            time.sleep(1)
            assert following.poll() is None
            kill(child_of_dockerd("dockerd"))
            assert following.wait(timeout=60) is not None
        mend()
        docker("start", "kept")


@pytest.fixture(scope="module")
def kernel(home, tmp_path_factory):
    """A kernel in a folder with a Dockerfile whose build does not end."""
    folder = tmp_path_factory.mktemp("at-work")
    # What is printed differs from what is typed, so that it is seen when it runs.
    (folder / "Dockerfile").write_text("FROM busybox\nRUN echo be''gun; sleep 1000\n")
    with Kernel(folder, **AS_IN_JUPYTERLAB) as kernel:
        yield kernel


WORKS = {
    "pull": ("docker pull {image}", "Pulling fs layer"),
    "build": ("docker build --no-cache --tag faults-built .", "begun"),
    "run": ("docker run --name faults-run busybox sh -c 'echo be$(echo gun); sleep 1000'", "begun"),
    "exec": ("docker exec kept sh -c 'echo be$(echo gun); sleep 1000'", "begun"),
    "logs": ("docker logs --follow kept", "begun"),
}
GOES_ON = {(work, "containerd") for work in ("build", "run", "exec", "logs")}
"""What does not need containerd while it runs; the daemon starts its containerd again."""
# An image that was removed is still at hand for a while, and its pull would be over at once.
PULLED = {"containerd": "postgres:17", "dockerd": "docker:dind", "front door": "httpd"}
OFTEN = {("pull", "containerd"), ("build", "dockerd"), ("run", "front door")}


@pytest.mark.parametrize(
    ("work", "cause"),
    [
        pytest.param(*each, marks=() if each in OFTEN else pytest.mark.faults)
        for each in product(WORKS, ("containerd", "dockerd", "front door"))
    ],
)
def test_a_part_lost_at_work_is_named_in_the_cell(home, kept, kernel, work, cause):
    command, sign = WORKS[work]
    command = command.format(image=PULLED[cause])
    docker("rm", "--force", "faults-run", check=False)
    kill_part, part, kept_runs_on = FAULTS[cause]
    cell = kernel.send(f"!{command}")
    assert sign in kernel.collect(cell, until=sign).text
    kill_part()
    began = time.monotonic()
    gone = course.missing_part()
    assert time.monotonic() - began < 2
    assert part in (gone or ""), gone
    if (work, cause) in GOES_ON:
        kernel.interrupt()
        assert kernel.collect(cell).error.startswith("Interrupted.")
    else:
        ended = kernel.collect(cell)
        assert "[exit code" in ended.text, ended
        assert re.search(rf"→ .*{part}.* is gone.*{MENDS}", ended.text), ended
        assert time.monotonic() - began < 30
    mended = kernel.run(f"!{MENDS}")
    assert "[exit code" not in mended.text, mended
    # The same work can be done, and what it had begun is in nobody's way.
    assert docker("run", "--rm", "--volume", "kept:/d", "busybox", "cat", "/d/note") == "mine\n"
    docker("rm", "--force", "faults-run", check=False)
    if work == "pull":
        docker("pull", PULLED[cause])
        docker("rmi", PULLED[cause])
    elif work == "build":
        docker("build", "--tag", "faults-built", "-", stdin=b"FROM busybox\nRUN true\n")
        docker("rmi", "faults-built")
    if kept_runs_on:
        assert docker("inspect", "--format", "{{.State.Pid}}", "kept").strip() == kept
    assert running(home, " ".join(command.split()[1:3])) == []


def running(home, words):
    """The processes of a home with these words among their arguments."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(each.cmdline())
            if words in line and each.environ().get("DOCKYARD_HOME") == str(home):
                found.append(line)
    return found


def test_the_engine_goes_on_after_the_session_that_started_it(home, tmp_path):
    """At log-out, the folders go that the session's variables name."""
    session = tmp_path / "session"
    session.mkdir()
    run("engine", "stop")
    done = run("engine", "start", XDG_RUNTIME_DIR=str(session), TMPDIR=str(session))
    assert done.returncode == 0, done.stderr
    shutil.rmtree(session)
    assert docker("run", "--rm", "busybox", "echo", "again") == "again\n"


@pytest.mark.parametrize(
    "content",
    ["", "99999999", *(pytest.param(each, marks=pytest.mark.faults) for each in ("x", "-1"))],
)
def test_a_port_file_that_is_damaged_is_made_again(home, content):
    run("engine", "stop")
    (home / "registry-port").write_text(content)
    mend()
    assert course.missing_part() is None
