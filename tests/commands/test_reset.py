"""``reset``: starts pages of the copy afresh and keeps the learner's versions."""

import json
import shutil

import pytest

from dockyard.core import paths, progress_file
from tests.support.command_line import run

ORIGINAL = {
    "cells": [
        {"cell_type": "code", "execution_count": 1, "id": "ps", "metadata": {}, "outputs": [],
         "source": "!docker ps"},
    ],
    "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


def test_reset_without_a_name_is_wrong_usage():
    done = run("reset")
    assert done.returncode == 2
    assert "--all" in done.stderr


def test_an_unknown_notebook_is_an_error_with_the_known_ones():
    done = run("reset", "99-nothing")
    assert done.returncode == 2
    assert "00-start-here" in done.stderr


@pytest.fixture
def folder(tmp_path):
    """The course as it is unpacked: two lessons and a lab."""
    made = tmp_path / "course"
    shutil.copytree(
        paths.CHECKOUT / "dockyard", made / "dockyard", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(paths.CHECKOUT / "requirements.txt", made)
    for name in ("notebooks/00-start-here", "notebooks/08-registries", "labs/08-registries"):
        file = made / f"{name}.ipynb"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(ORIGINAL))
    return made


@pytest.fixture
def copy(folder):
    """The learner's copy, as the learner has left it."""
    made = folder / "home" / "my-course"
    for place in ("notebooks", "labs"):
        (made / place).mkdir(parents=True)
        (made / place / "08-registries.ipynb").write_text("mine")
    return made


def reset(folder, *words, **variables):
    return run("reset", *words, home=folder / "home", checkout=folder, **variables)


@pytest.mark.parametrize(
    ("name", "fresh", "left"),
    [
        ("08-registries", "notebooks", "labs"),
        ("08", "notebooks", "labs"),
        ("labs/08-registries.ipynb", "labs", "notebooks"),
        ("labs/08", "labs", "notebooks"),
    ],
)
def test_reset_renews_the_lesson_and_the_lab_only_when_it_is_named(folder, copy, name, fresh, left):
    done = reset(folder, name)
    assert done.returncode == 0, done.stderr
    found = copy / fresh / "08-registries.ipynb"
    (cell,) = json.loads(found.read_text())["cells"]
    assert cell["source"] == "!docker ps"
    (kept,) = found.parent.glob("08-registries.2*.ipynb")
    assert kept.read_text() == "mine"
    assert f"08-registries.ipynb is as it came; your version is {kept.name}" in done.stderr
    assert (copy / left / "08-registries.ipynb").read_text() == "mine"
    assert json.loads((folder / fresh / "08-registries.ipynb").read_text()) == ORIGINAL


def test_a_deleted_notebook_is_restored_without_another_version(folder, copy):
    done = reset(folder, "--all")
    assert done.returncode == 0, done.stderr
    assert "00-start-here.ipynb was missing and is restored" in done.stderr
    assert (copy / "notebooks" / "00-start-here.ipynb").exists()
    assert len(list((copy / "notebooks").glob("00-*"))) == 1


@pytest.fixture
def begun(folder, monkeypatch):
    """A progress file in which lab 08 has begun."""
    file = folder / "progress.json"
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(file))
    with progress_file.change() as data:
        data["labs"] = {"08-registries": {"id": "abcd", "values": {}, "tasks": {}}}
    return file


def test_an_error_names_the_lock_that_another_command_holds(folder, begun):
    with progress_file.change():
        done = reset(folder, "labs/08-registries")
    assert done.returncode == 1
    assert "has been busy for 10 seconds." in done.stderr
    assert str(folder / ".progress.json.lock") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_progress_file_that_cannot_be_written_is_said_with_the_next_command(folder, begun):
    lock = folder / ".progress.json.lock"
    lock.unlink()
    lock.mkdir()
    done = reset(folder, "labs/08-registries")
    assert done.returncode == 1
    assert "could not be saved there: Is a directory." in done.stderr
    assert str(lock.parent) in done.stderr
    assert "DOCKYARD_PROGRESS" in done.stderr
    assert "Traceback" not in done.stderr
