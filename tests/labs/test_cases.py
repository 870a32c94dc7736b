"""The cases of the clinic: each begins by itself and hides its cause, in a terminal, too."""

import shutil

import pytest

from dockyard.authoring import lab_notebooks
from dockyard.labs import attempt as attempts
from dockyard.labs import judge, lab_catalog
from dockyard.labs.lab_magic import CaseOpener
from tests.support.command_line import run as run_cli

CLINIC = lab_catalog.load("16-clinic")
CASE = CLINIC.exercise("not-permitted")


@pytest.fixture
def attempt(tmp_path, monkeypatch):
    """A learner's attempt, with a progress file and a folder of its own."""
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(tmp_path / "progress.json"))
    begun = attempts.begin(CLINIC)
    yield begun
    attempts.tidy(begun)
    for folder in begun.work.parent.glob(f"{begun.work.name}*"):
        shutil.rmtree(folder)


def verdict(attempt):
    (found,) = judge.judge(attempt, [CASE.name])
    return found


def test_the_page_does_not_show_what_breaks():
    page = lab_notebooks.exercise(CLINIC)
    for task in CLINIC.tasks:
        assert task.fault and task.symptom
        for line in task.fault.strip().splitlines():
            assert line not in page


@pytest.mark.engine
def test_a_case_begins_with_its_symptom_and_can_begin_again(attempt):
    assert verdict(attempt).saw == "This case has not begun."
    assert f'case("{CASE.name}")' in verdict(attempt).expected
    case = CaseOpener(CLINIC, attempt)
    shown = repr(case(CASE.name))
    assert "Operation not permitted" in shown
    assert attempt.fill(CASE.goal).strip() in shown
    assert attempt.run(CASE.right[0]).returncode == 0
    assert verdict(attempt).done
    case(CASE.name)
    assert not verdict(attempt).done


@pytest.mark.engine
def test_a_case_that_is_drawn_is_one_that_has_not_begun(attempt):
    case = CaseOpener(CLINIC, attempt)
    shown = {repr(case()).splitlines()[-1] for _ in range(3)}
    assert len(shown) == 3
    assert shown == {f'Solved?  check("{name}")' for name in attempts.begun_cases(attempt)}


@pytest.mark.engine
def test_check_in_a_terminal_begins_a_case_and_new_begins_it_again(attempt):
    begun = run_cli("check", "16", CASE.name)
    assert "Operation not permitted" in begun.stderr
    assert "exited with code 1" in begun.stdout
    assert attempt.run(CASE.right[0]).returncode == 0
    done = run_cli("check", "16", CASE.name)
    assert done.returncode == 0
    assert not done.stderr
    assert run_cli("check", "16", CASE.name, "--new").returncode == 1
    assert attempts.current(CLINIC) == attempt
