"""The tasks of lessons, proved from both sides: what was given, wrong ways and right ways."""

import itertools
from contextlib import closing
from pathlib import Path

import nbformat
import pytest

from dockyard import cleanup
from dockyard.core import docker_client, paths
from dockyard.labs import attempt as attempts
from dockyard.labs import judge, lab_catalog
from dockyard.learner_copy.page_text import YOUR_TURN
from dockyard.lessons import lesson_catalog, visit
from tests.support.lab_attempts import is_mistake, verdict_on
from tests.support.way_sample import way_marks

LESSONS = [lesson_catalog.load(name) for name in lesson_catalog.names()]
TASKS = [(lesson, task) for lesson in LESSONS for task in lesson.tasks]

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
each_task = pytest.mark.parametrize(
    ("lesson", "task"), TASKS, ids=[f"{lesson.name}/{task.name}" for lesson, task in TASKS]
)


def cells(lesson):
    page = nbformat.read(paths.NOTEBOOKS / f"{lesson.name}.ipynb", as_version=4)
    return [cell for cell in page.cells if cell.cell_type == "code"]


@each_lesson
def test_a_lesson_has_three_tasks(lesson):
    assert len(lesson.tasks) >= (2 if lesson.name.startswith("00") else 3)


@each_lesson
def test_each_task_has_a_cell_with_its_first_right_way_and_one_that_checks_it(lesson):
    page = cells(lesson)
    shown = {
        after.source.removeprefix("%check "): cell.source
        for cell, after in itertools.pairwise(page)
        if YOUR_TURN in cell.metadata.get("tags", ())
    }
    assert list(shown) == [task.name for task in lesson.tasks]
    for task in lesson.tasks:
        commands = [
            line.removeprefix("!") for line in shown[task.name].splitlines() if line != "%%bash"
        ]
        assert "\n".join(commands).strip() == task.right[0].code


@each_lesson
def test_the_stored_checks_say_done(lesson):
    for cell in cells(lesson):
        if cell.source.startswith("%check "):
            assert ": done. " in cell.outputs[0]["text"], cell.source


@each_task
def test_a_task_has_two_right_ways_and_a_check_that_says_what_it_wants(lesson, task):
    assert len({way.code for way in task.right}) >= 2
    assert judge.check_of(lesson, task).__doc__
    for way in task.wrong:
        assert way.mistake is None or way.mistake in lab_catalog.mistakes()


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """Sets the scene of a lesson in a folder of its own; removes its objects at the end."""
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(tmp_path / "progress.json"))
    begun = []

    def begin(lesson):
        docker_client.write_config(lesson.name)
        attempt, goes_on = visit.begin(lesson.name, Path(tmp_path), fresh=True)
        assert not goes_on
        begun.append(lesson)
        return attempt

    yield begin
    for lesson in {each.name: each for each in begun}.values():
        with closing(docker_client.connect()) as daemon:
            cleanup.remove(daemon, lesson=lesson.name)


def verdict(attempt, task, expected=lambda found: True):
    found = verdict_on(attempt, task, expected)
    assert not found.check_failed, found.saw
    return found


def given(attempt, task):
    for name in task.after:
        attempt.run(attempt.lab.exercise(name).right[0])
    attempts.set_scene(attempt, task.given)


WAYS = [
    pytest.param(lesson, task, all_ways, id=f"{lesson.name}/{task.name}-{all_ways}", marks=marks)
    for place, (lesson, task) in enumerate(TASKS, start=8)
    for all_ways, marks in ((False, way_marks(place)), (True, pytest.mark.adversarial))
]
"""Every run takes one task in twelve, in one wrong way and in one right way.

It takes none of lesson 12, whose services need minutes.
"""


@pytest.mark.engine
@pytest.mark.parametrize(("lesson", "task", "all_ways"), WAYS)
def test_only_right_ways_are_accepted(scene, lesson, task, all_ways):
    # The page itself takes the first right way.
    wrong, right = (task.wrong, task.right) if all_ways else (task.wrong[:1], task.right[1:2])
    attempt = scene(lesson)
    given(attempt, task)
    assert not verdict(attempt, task).done, "done before anything was done"
    for way in wrong:
        attempt.run(way)
        found = verdict(attempt, task, is_mistake(way.mistake) if way.mistake else lambda _: True)
        assert not found.done, f"{way.code} was accepted: {found.saw}"
        if way.mistake:
            assert found.mistake and found.mistake.name == way.mistake, found.saw
        attempt = scene(lesson)
        given(attempt, task)
    for number, way in enumerate(right):
        if number:
            attempt = scene(lesson)
            given(attempt, task)
        done = attempt.run(way)
        found = verdict(attempt, task, lambda found: found.done)
        assert found.done, f"{way.code} was not accepted: {found.saw}\n{done.stdout}"
