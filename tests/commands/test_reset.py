"""``reset``: restores notebooks from git and keeps the learner's versions."""

import shutil
import subprocess

import pytest

from dockyard.core import paths, progress_file
from tests.support.command_line import run


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
    """The course as unpacked from a ZIP file: two lessons and a lab, no git repository."""
    made = tmp_path / "course"
    shutil.copytree(paths.CHECKOUT / "dockyard", made / "dockyard")
    shutil.copy(paths.CHECKOUT / "requirements.txt", made)
    for name in ("notebooks/00-start-here", "notebooks/05-registries", "labs/05-registries"):
        file = made / f"{name}.ipynb"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{name} original\n")
    return made


@pytest.fixture
def clone(folder):
    """The same folder as a git repository."""
    for words in (
        ("init", "--quiet"),
        ("add", "notebooks", "labs"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=all"),
    ):
        subprocess.run(["git", "-C", folder, *words], check=True)
    return folder


def reset(folder, *words, **variables):
    return run(
        "reset", *words, home=folder / "home", checkout=folder,
        **{"GIT_CEILING_DIRECTORIES": str(folder.parent), **variables},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "restored", "left"),
    [
        ("05-registries", "notebooks", "labs"),
        ("05", "notebooks", "labs"),
        ("labs/05-registries.ipynb", "labs", "notebooks"),
        ("labs/05", "labs", "notebooks"),
    ],
)
def test_reset_restores_the_lesson_and_the_lab_only_when_it_is_named(clone, name, restored, left):
    for place in ("notebooks", "labs"):
        (clone / place / "05-registries.ipynb").write_text("mine")
    done = reset(clone, name)
    assert done.returncode == 0, done.stderr
    found = clone / restored / "05-registries.ipynb"
    assert found.read_text() == f"{restored}/05-registries original\n"
    (kept,) = found.parent.glob("05-registries.2*.ipynb")
    assert kept.read_text() == "mine"
    assert f"05-registries.ipynb is restored; your copy is {kept.name}" in done.stderr
    assert (clone / left / "05-registries.ipynb").read_text() == "mine"


def test_a_deleted_notebook_is_restored_without_a_copy(clone):
    (clone / "notebooks" / "00-start-here.ipynb").unlink()
    done = reset(clone, "--all")
    assert done.returncode == 0, done.stderr
    assert "00-start-here.ipynb was missing and is restored" in done.stderr
    assert "copy" not in done.stderr
    assert (clone / "notebooks" / "00-start-here.ipynb").exists()


@pytest.mark.parametrize("words", [["05-registries"], ["--all"]], ids=" ".join)
def test_reset_without_a_repository_fails_and_changes_nothing(folder, words):
    (folder / "notebooks" / "05-registries.ipynb").write_text("mine")
    done = reset(folder, *words)
    assert done.returncode == 1
    assert f"could not be read in {folder}" in done.stderr
    assert "not a git repository" in done.stderr
    assert (folder / "notebooks" / "05-registries.ipynb").read_text() == "mine"


def test_reset_without_git_names_the_package_to_install(folder):
    done = reset(folder, "--all", PATH=str(folder))
    assert done.returncode == 1
    assert "apt-get install git" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def begun(clone, monkeypatch):
    """A progress file in the clone in which lab 05 has begun."""
    file = clone / "progress.json"
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(file))
    with progress_file.change() as data:
        data["labs"] = {"05-registries": {"id": "abcd", "values": {}, "tasks": {}}}
    return file


def test_an_error_names_the_lock_that_another_command_holds(clone, begun):
    with progress_file.change():
        done = reset(clone, "labs/05-registries")
    assert done.returncode == 1
    assert "has been busy for 10 seconds." in done.stderr
    assert str(clone / ".progress.json.lock") in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_of_the_system_has_three_lines(clone, begun):
    lock = clone / ".progress.json.lock"
    lock.unlink()
    lock.mkdir()
    done = reset(clone, "labs/05-registries")
    assert done.returncode == 1
    assert "The command could not be carried out." in done.stderr
    assert str(lock) in done.stderr
    assert "engine status" in done.stderr
    assert "Traceback" not in done.stderr
