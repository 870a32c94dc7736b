"""Background processes of the course, and locks between its commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from dockyard.core import paths, wait
from dockyard.core.process import Lock, Service, terminate_helpers
from dockyard.exceptions import Busy, EngineStartFailed


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file over /proc/stat")
def test_a_service_is_found_again_after_the_clock_was_set(home, tmp_path):
    # Setting the clock changes this line of /proc/stat (proc(5)).
    moved = tmp_path / "stat"
    moved.write_text(re.sub(r"(?m)^btime \d+", "btime 1700000000", Path("/proc/stat").read_text()))
    program = "from dockyard.core.process import Service; print(Service('sleeper').process().pid)"
    sleeper = Service("sleeper")
    pid = sleeper.start(["sleep", "600"]).pid
    try:
        done = subprocess.run(
            [
                "unshare", "--mount", "--propagation=private",
                "sh", "-ec", f'mount --bind {moved} /proc/stat; exec "$@"', "sh",
                sys.executable, "-c", program,
            ],
            capture_output=True, text=True, cwd=paths.CHECKOUT, check=False,
        )  # fmt: skip
    finally:
        sleeper.stop()
    assert done.stdout == f"{pid}\n", done.stderr


def test_a_lock_is_held_by_one_process_at_a_time(home):
    program = (
        "from dockyard.core.process import Busy, Lock; import sys\n"
        "try:\n    Lock('course', timeout=0.3).__enter__()\nexcept Busy:\n    sys.exit(7)\n"
    )
    with Lock("course"):
        done = subprocess.run([sys.executable, "-c", program], cwd=paths.CHECKOUT, check=False)
    assert done.returncode == 7


def test_a_lock_excludes_threads_of_one_process(home):
    with Lock("course"), pytest.raises(Busy) as caught, Lock("course", timeout=0.3):
        pass
    assert str(paths.run_dir() / "course.lock") in str(caught.value)
    with Lock("course", timeout=0.3):
        pass


def test_a_lock_is_released_when_its_holder_is_killed(home):
    program = (
        "from dockyard.core.process import Lock\n"
        "with Lock('course'):\n    print('held', flush=True)\n    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=paths.CHECKOUT,
    ) as holder:  # fmt: skip
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy), Lock("course", timeout=0.1):
            pass
        holder.kill()
        with Lock("course", timeout=60):
            pass


def test_a_service_that_exits_while_it_starts_raises_with_the_end_of_its_log(home):
    service = Service("short")
    service.start(["sh", "-c", "echo no room >&2; exit 1"])
    wait.until("the service to exit", lambda: service.process() is None, 60)
    with pytest.raises(EngineStartFailed) as caught:
        service.raise_if_ended(EngineStartFailed, "The daemon", "Try again.")
    assert (caught.value.what, caught.value.why) == (
        "The daemon ended instead of starting.",
        "no room",
    )


def test_terminating_helpers_leaves_services_running(home):
    sleeper = Service("sleeper")
    sleeper.start(["sleep", "600"])
    try:
        with subprocess.Popen(["sh", "-c", "sleep 600; true"]) as helper:
            (child,) = wait.until("the child", psutil.Process(helper.pid).children, 60)
            terminate_helpers()
            assert helper.wait(60) != 0
        wait.until("the helper's child to exit", lambda: not child.is_running(), 60)
        assert sleeper.process() is not None
    finally:
        sleeper.stop()
    assert sleeper.process() is None
