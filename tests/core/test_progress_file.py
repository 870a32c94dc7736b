"""The progress file: nothing that was done is lost, and nothing counts that was not."""

import json
import os
import subprocess
import sys

import msgspec
import pytest

from dockyard.core import paths, progress_file
from dockyard.labs import lab_catalog
from dockyard.quiz import progress_report

WRITER = """
import sys
from dockyard.core import progress_file
for number in range(25):
    with progress_file.change() as data:
        lesson = data.setdefault("answers", {}).setdefault("03-containers", {})
        lesson[f"{sys.argv[1]}-{number}"] = {}
        data["count"] = data.get("count", 0) + 1
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))


def dockyard(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "dockyard", *arguments],
        capture_output=True, text=True, check=False, cwd=paths.CHECKOUT,
    )  # fmt: skip


def note(value):
    with progress_file.change() as data:
        data["note"] = value


@pytest.mark.parametrize("homes", [["one"] * 3, ["one", "two", "three"]], ids=["one home", "three"])
def test_notebooks_that_write_at_once_lose_nothing(tmp_path, monkeypatch, homes):
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(tmp_path / "shared" / "progress.json"))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, name],
            env=os.environ | {"DOCKYARD_HOME": str(tmp_path / home)},
        )
        for name, home in zip(("one", "two", "three"), homes, strict=True)
    ]
    assert [each.wait(timeout=120) for each in writers] == [0, 0, 0]
    found = progress_file.read()
    assert found["count"] == 75
    assert len(found["answers"]["03-containers"]) == 75


def test_a_change_that_fails_changes_nothing():
    note("kept")
    with pytest.raises(ZeroDivisionError), progress_file.change() as data:
        data["note"] = "lost"
        raise ZeroDivisionError
    assert progress_file.read()["note"] == "kept"


@pytest.mark.parametrize("damage", ["", '{"version": 1, "no', '["a list"]', '{"version": 99}'])
def test_a_file_that_cannot_be_read_is_kept_aside_and_the_one_before_is_used(damage):
    note("older")
    note("newer")
    progress_file.path().write_text(damage)
    assert progress_file.read()["note"] == "older"
    with progress_file.change() as data:
        data["more"] = 1
    assert progress_file.read()["note"] == "older"
    assert progress_file.read()["more"] == 1
    (aside,) = paths.home().glob("progress.damaged-*.json")
    assert aside.read_text() == damage
    # What is good is not overwritten by what was damaged.
    progress_file.path().write_text(damage)
    assert progress_file.read()["note"] == "older"


def test_without_a_file_there_is_no_progress_and_none_is_made():
    assert progress_file.read() == {"version": progress_file.VERSION}
    assert not progress_file.path().exists()


def tick(edition):
    lab = lab_catalog.load("03-containers")
    task = lab.tasks[0]
    with progress_file.change() as data:
        data["labs"] = {lab.name: {"tasks": {task.name: {"done": "…", "edition": edition}}}}
    (counted,) = [each for each in progress_report.report()["labs"] if each["lab"] == lab.name]
    return counted["done"], task


def test_a_warm_up_counts_in_no_total():
    lab = lab_catalog.load("03-containers")
    rep = lab.reps[0]
    with progress_file.change() as data:
        entries = {rep.name: {"done": "…", "edition": rep.edition}}
        data["labs"] = {lab.name: {"tasks": entries}}
    (counted,) = [each for each in progress_report.report()["labs"] if each["lab"] == lab.name]
    assert (counted["done"], counted["of"]) == ([], len(lab.tasks))


def test_a_task_that_was_changed_drops_its_tick():
    _, task = tick("")
    done, _ = tick(task.edition)
    assert done == [task.name]
    done, _ = tick("another")
    assert done == []


def test_the_edition_of_a_task_is_another_when_its_goal_is():
    task = lab_catalog.load("03-containers").tasks[0]
    assert msgspec.structs.replace(task, goal=task.goal + " And more.").edition != task.edition


def test_the_command_tells_the_progress_as_data_and_as_a_table():
    with progress_file.change() as data:
        data["answers"] = {"03-containers": {"a": {"right": True}, "b": {"right": False}}}
    document = json.loads(dockyard("progress", "--json").stdout)
    assert document["answers"] == [{"lesson": "03-containers", "given": 2, "right": 1}]
    assert {each["lab"] for each in document["labs"]} == set(lab_catalog.names())
    assert document["file"] == str(progress_file.path())
    table = dockyard("progress").stdout
    assert "1 right of 2 given" in table
    assert all(name in table for name in lab_catalog.names())
