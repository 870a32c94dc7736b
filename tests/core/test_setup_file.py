"""Others can see what a set-up does, whether it is still there, and how it ended."""

import subprocess
import sys

import pytest

from dockyard.core import setup_file, wait
from dockyard.core.setup_file import SetupState
from dockyard.exceptions import DiskFull, EngineNotRunning


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    return tmp_path


def test_without_a_set_up_nothing_runs_and_nothing_is_known():
    assert not setup_file.is_running()
    assert SetupState.load() == SetupState()


def test_each_line_is_said_and_seen_by_others():
    said = []
    with setup_file.recording(said.append) as recorded:
        recorded("unpacking Docker")
        assert setup_file.is_running()
        assert SetupState.load().line == "unpacking Docker"
    assert said == ["unpacking Docker"]
    assert not setup_file.is_running()
    assert SetupState.load().finished


def test_a_failure_is_kept_with_its_three_lines():
    with pytest.raises(EngineNotRunning), setup_file.recording(print):
        raise EngineNotRunning("It is gone.")
    assert SetupState.load().failure == (
        "The course's Docker engine is not running.",
        "It is gone.",
        "Start it:  python3 -m dockyard engine start",
    )
    with setup_file.recording(print):
        assert SetupState.load().failure is None


def test_a_full_disk_is_a_failure_that_says_what_to_type():
    with pytest.raises(DiskFull), setup_file.recording(print):
        raise OSError(28, "No space left on device")
    _, why, again = SetupState.load().failure
    assert "No space left on device" in why
    assert "python3 -m dockyard engine start" in again


def test_a_set_up_that_was_killed_is_not_waited_for():
    script = (
        "import time\n"
        "from dockyard.core import setup_file\n"
        "with setup_file.recording(print) as said:\n"
        "    said('unpacking Docker')\n"
        "    time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    wait.until("the set-up", lambda: SetupState.load().line, 60)
    assert setup_file.is_running()
    child.kill()
    child.wait()
    assert not setup_file.is_running()
    assert not SetupState.load().finished


@pytest.mark.parametrize("content", ["", "{", "[]", '{"failure": "x"}', "\xff"])
def test_a_damaged_file_counts_as_none(home, content):
    (home / "setup.json").write_text(content, encoding="latin-1")
    assert SetupState.load() == SetupState()
