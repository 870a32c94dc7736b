"""``new``: what it creates is valid from the start, and it overwrites nothing."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from dockyard.authoring import notebook_form, skeletons
from dockyard.core import paths
from dockyard.exceptions import UsageError

COPIED = ("dockyard", "pyproject.toml", "requirements.txt")


@pytest.fixture
def checkout(tmp_path):
    """A copy of the course's code, with one lesson."""
    for name in COPIED:
        source = paths.CHECKOUT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00-start-here.ipynb").write_text("{}\n")
    return tmp_path


def python(checkout, *words):
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True, text=True, check=False, cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
    )  # fmt: skip


def new(checkout, *words):
    return python(checkout, "-m", "dockyard", "new", *words)


def evaluate(checkout, program):
    done = python(checkout, "-c", program)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_new_lesson_has_its_frame_in_canonical_form(checkout):
    done = new(checkout, "lesson", "17-image-signing")
    assert done.returncode == 0, done.stderr
    file = checkout / "notebooks" / "17-image-signing.ipynb"
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    assert file.read_text() == notebook_form.canonical(notebook)
    assert notebook.cells[0].source.startswith("# Image signing\n")
    first, *_, quiz, last = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert first.source == "%load_ext dockyard\n%lesson 17-image-signing"
    assert (quiz.source, last.source) == ("%quiz", "%tidy")
    assert "dockyard store 17-image-signing" in done.stdout


def test_a_new_lessons_questions_can_be_loaded(checkout):
    assert new(checkout, "lesson", "17-image-signing").returncode == 0
    program = (
        "from dockyard.quiz import bank\n"
        "lesson = bank.load('17')\n"
        "print(lesson.name, lesson.questions[0].right.text)"
    )
    assert evaluate(checkout, program) == "17-image-signing `docker ps --all`"


@pytest.mark.engine
def test_all_ways_of_a_new_lessons_task_get_the_right_verdicts(checkout):
    assert new(checkout, "lesson", "17-image-signing").returncode == 0
    program = """
from pathlib import Path
from dockyard.core import docker_client
from dockyard.labs import judge
from dockyard.lessons import lesson_catalog, visit
docker_client.write_config("17-image-signing")
(task,) = lesson_catalog.load("17-image-signing").tasks
for way in (*task.right, *task.wrong):
    attempt, _ = visit.begin("17-image-signing", Path.cwd(), fresh=True)
    attempt.run(way)
    (verdict,) = judge.judge(attempt)
    print(verdict.state, verdict.mistake.name if verdict.mistake else "")
visit.begin("17-image-signing", Path.cwd(), fresh=True)
"""
    said = evaluate(checkout, program).splitlines()
    assert [line.strip() for line in said] == ["done", "done", "not yet removed-itself"]


def test_a_new_lab_can_be_loaded_and_its_task_has_a_check(checkout):
    done = new(checkout, "lab", "17-image-signing")
    assert done.returncode == 0, done.stderr
    program = (
        "from dockyard.labs import judge, lab_catalog\n"
        "lab = lab_catalog.load('17')\n"
        "(task,) = lab.tasks\n"
        "assert len(task.right) == 2 and task.where and task.shape\n"
        "assert task.wrong[0].mistake in lab_catalog.mistakes()\n"
        "print(lab.title, judge.check_of(lab, task).__name__)"
    )
    assert evaluate(checkout, program) == "Image signing returns"
    assert "dockyard store --labs 17-image-signing" in done.stdout


@pytest.mark.engine
def test_all_ways_of_a_new_lab_get_the_right_verdicts(checkout):
    assert new(checkout, "lab", "17-image-signing").returncode == 0
    program = (
        "from dockyard.labs import attempt, judge, lab_catalog\n"
        "lab = lab_catalog.load('17')\n"
        "(task,) = lab.tasks\n"
        "for way in (*task.right, *task.wrong):\n"
        "    present = attempt.begin(lab, 'proof', '1')\n"
        "    done = present.run(way)\n"
        "    assert done.returncode == 0, done.stdout\n"
        "    (verdict,) = judge.judge(present)\n"
        "    attempt.tidy(present)\n"
        "    print(verdict.state, verdict.mistake and verdict.mistake.name)"
    )
    assert evaluate(checkout, program).splitlines() == [
        "done None", "done None", "not yet no-restart-policy",
    ]  # fmt: skip


def test_a_new_view_can_be_imported_and_has_its_own_script_and_style(checkout):
    done = new(checkout, "view", "disk_usage")
    assert done.returncode == 0, done.stderr
    program = (
        "from dockyard.views.disk_usage import DiskUsage\n"
        "view = DiskUsage()\n"
        "assert 'dockyard-disk-usage' in view._esm and 'dockyard-disk-usage' in view._css\n"
        "assert view.draw().startswith('<svg')\n"
        "print(view)"
    )
    assert evaluate(checkout, program) == "Disk usage: the course\nrunning: 0"
    assert "from dockyard.views.disk_usage import DiskUsage" in done.stdout


def test_what_is_created_keeps_to_the_code_style(checkout):
    assert new(checkout, "lesson", "17-image-signing").returncode == 0
    assert new(checkout, "lab", "18-image-signing").returncode == 0
    assert new(checkout, "view", "disk_usage").returncode == 0
    files = [
        *(f"dockyard/{package}/checks/image_signing.py" for package in ("labs", "lessons")),
        "dockyard/views/disk_usage.py",
    ]
    for action in (["check"], ["format", "--check"]):
        done = python(checkout, "-m", "ruff", *action, *files)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "existing"),
    [
        (("lesson", "17-signing"), "dockyard/quiz/questions/17-signing.toml"),
        (("lab", "17-signing"), "dockyard/labs/checks/signing.py"),
        (("view", "disk_usage"), "dockyard/views/disk_usage.css"),
    ],
)
def test_nothing_is_written_when_one_of_the_files_exists(checkout, words, existing):
    (checkout / existing).write_text("mine")
    before = sorted(checkout.rglob("*.*"))
    done = new(checkout, *words)
    assert done.returncode == 2
    assert f"{checkout / existing} already exists." in done.stderr
    assert (checkout / existing).read_text() == "mine"
    made = set(checkout.rglob("*.*")) - set(before)
    assert not [file for file in made if "__pycache__" not in file.parts]


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("lesson", "signing", "'signing' is not the name of a lesson or lab."),
        ("lesson", "16-../x", "'16-../x' is not the name of a lesson or lab."),
        ("lab", "16-Signing", "'16-Signing' is not the name of a lesson or lab."),
        ("lesson", "03-new", "The number 03 is taken by 03-containers."),
        ("lab", "16-new", "The number 16 is taken by 16-clinic."),
        ("view", "disk-usage", "'disk-usage' is not the name of a view."),
        ("view", "class", "'class' is not the name of a view."),
    ],
)
def test_a_bad_name_is_refused(kind, name, said):
    with pytest.raises(UsageError) as caught:
        skeletons.SKELETONS[kind](name)
    assert caught.value.what == said
