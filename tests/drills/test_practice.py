"""A practice: one drill at a time, saved as it is done, and nothing left of it."""

import json
import os
import subprocess
import sys
from contextlib import closing
from datetime import date, timedelta

import docker
import pytest

from dockyard import course
from dockyard.core import docker_client, paths, progress_file, wait
from dockyard.drills import drill_catalog, practice
from dockyard.drills.practice import Practice
from dockyard.labs import attempt as attempts
from tests.support.kernels import Kernel

pytestmark = pytest.mark.engine

STOP, SAY = (drill_catalog.load()[name] for name in ("stop", "say"))
LETTER = drill_catalog.load()["copy-in"]


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(tmp_path / "progress.json"))
    yield
    if left := practice.at_hand():
        practice.end(left)


@pytest.fixture
def daemon():
    with closing(docker_client.connect()) as connected:
        yield connected


def names(daemon):
    return {each.name for each in daemon.containers.list(all=True)}


def solved(at):
    """Solve the drill at hand, and look."""
    done = at.attempt.run(at.drill.task.right[0])
    assert done.returncode == 0, done.stdout
    assert wait.within(30, lambda: at.look() and at.is_done, 0.5)


def test_a_drill_that_is_done_is_saved_and_the_next_one_removes_it(tmp_path, daemon):
    at = Practice(tmp_path, [STOP, LETTER])
    assert at.next()
    assert not at.is_done
    box = at.attempt.values["BOX"]
    assert box in at.goal and box in names(daemon)
    solved(at)
    entry = progress_file.read()["drills"]["stop"]
    assert entry["due"] == (date.today() + timedelta(1)).isoformat()
    assert at.counts().startswith("1 of ")
    assert box in names(daemon), "it may be looked at until the next one"
    assert at.next()
    assert box not in names(daemon)
    assert (tmp_path / "drill" / "letter").exists()
    assert not at.next()
    assert not (tmp_path / "drill").exists()
    assert practice.at_hand() is None


def test_what_a_lesson_made_with_a_drawn_name_goes_and_all_else_stays(tmp_path, daemon, scene):
    at = Practice(tmp_path, [SAY])
    at.next()
    box = at.attempt.values["BOX"]
    lesson = course.environment("03-containers")
    docker_client.write_config("03-containers")
    run = ["docker", "run", "--name"]
    for name in (box, "drill-test-of-a-lesson"):
        subprocess.run([*run, name, "busybox", "true"], env=os.environ | lesson, check=True)
    behind = docker.DockerClient(course.State.load().endpoint["address"])
    own = behind.containers.create("busybox", "true", name=f"{box}-of-my-own")
    try:
        at.end()
        assert not {box} & names(daemon)
        assert {f"{box}-of-my-own", "drill-test-of-a-lesson"} <= names(daemon)
    finally:
        own.remove(force=True)
        behind.close()
        daemon.containers.get("drill-test-of-a-lesson").remove(force=True)


def test_a_folder_of_the_learners_own_is_not_used_and_stays(tmp_path):
    mine = tmp_path / "drill" / "mine"
    mine.parent.mkdir()
    mine.write_text("kept")
    at = Practice(tmp_path, [LETTER])
    at.next()
    assert at.attempt.work == tmp_path / "drill-2"
    assert "`drill-2/letter`" in at.goal
    at.end()
    assert mine.read_text() == "kept"
    assert not (tmp_path / "drill-2").exists()


def test_a_progress_file_that_names_another_folder_does_not_have_it_removed(tmp_path):
    at = Practice(tmp_path, [STOP])
    at.next()
    precious = tmp_path / "drill-precious"
    precious.mkdir()
    with progress_file.change() as data:
        data["drill"]["folder"] = str(precious)
    practice.end(practice.at_hand())
    assert precious.exists()


def test_one_that_was_shown_comes_again_tomorrow_and_one_that_was_skipped_is_not_saved(tmp_path):
    at = Practice(tmp_path, [SAY, STOP])
    at.next()
    assert at.show() == at.attempt.fill(SAY.task.right[0].code)
    solved(at)
    assert progress_file.read()["drills"]["say"]["times"] == 0
    at.next()
    at.next()
    assert set(progress_file.read()["drills"]) == {"say"}


def test_a_second_practice_ends_the_first_one(tmp_path, daemon):
    first, second = Practice(tmp_path / "a", [STOP]), Practice(tmp_path / "b", [STOP])
    first.next()
    box = first.attempt.values["BOX"]
    second.next()
    assert first.is_another_at_hand() and not second.is_another_at_hand()
    assert box not in names(daemon)
    first.end()
    assert second.attempt.values["BOX"] in names(daemon)


def test_the_same_drill_again_has_other_names(tmp_path, monkeypatch):
    monkeypatch.setattr(attempts, "WORDS", ("oak", "olive"))
    first, second = Practice(tmp_path / "a", [STOP]), Practice(tmp_path / "b", [STOP])
    first.next()
    box = first.attempt.values["BOX"]
    second.next()
    assert second.attempt.values["BOX"] != box


DAMAGED = [
    "",
    '{"version": 1, "drills": {"stop": 7}}',
    '{"version": 1, "drill": {"name": "stop", "values": 3}}',
    '{"version": 1, "drill": {"name": "no-such-drill", "folder": "/"}}',
    '{"version": 1, "streak": {"days": "many"}}',
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_progress_file_does_not_stop_anybody(tmp_path, text, capsys):
    progress_file.path().write_text(text)
    at = Practice(tmp_path, [STOP])
    assert at.next()
    solved(at)
    assert progress_file.read()["drills"]["stop"]["times"] == 1


def dockyard(typed, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "dockyard", *arguments],
        input=typed, capture_output=True, text=True, check=False, cwd=paths.CHECKOUT, timeout=120,
    )  # fmt: skip


def test_a_terminal_runs_what_is_typed_and_says_when_it_is_done():
    shown = dockyard("show\nquit\n", "drill", "clear-up", "--streak", "on")
    assert "docker rm --force crate-" in shown.stdout
    typed = "docker stop $BOX\ndocker rm $BOX\nnext\n"
    done = dockyard(typed, "drill", "clear-up")
    assert done.returncode == 0, done.stderr
    assert "Not yet. crate-" in done.stdout
    assert "is exited" in done.stdout
    assert "Done. crate-" in done.stdout
    assert "Nothing else to practise now." in done.stdout
    assert "1 done now. 1 of " in done.stdout and "1 day in a row." in done.stdout
    assert "\x1b" not in done.stdout
    assert "Drills: 1 of " in dockyard("", "progress").stdout
    assert json.loads(dockyard("", "progress", "--json").stdout)["drills"]["done"] == 1


def test_the_list_has_every_drill_and_an_unknown_one_is_refused():
    listed = dockyard("", "drill", "--list").stdout
    assert all(name in listed for name in drill_catalog.load())
    refused = dockyard("", "drill", "no-such-drill")
    assert refused.returncode == 2
    assert "no-such-drill" in refused.stderr


def test_where_nobody_can_work_the_magic_begins_nothing(daemon):
    before = names(daemon)
    with Kernel(None, interactive=False) as kernel:
        shown = kernel.run("%drill stop")
    assert "drills done" in shown.text
    assert names(daemon) == before


def test_in_a_front_end_without_widgets_the_magic_says_where_there_are_drills():
    with Kernel(None, DOCKYARD_PROGRESS=os.environ["DOCKYARD_PROGRESS"]) as kernel:
        shown = kernel.run("%drill stop")
        assert "Drill stop: Stop the container" in shown.text
        assert "python3 -m dockyard drill" in shown.text
        assert "has ended" in kernel.run("%tidy").text
