"""A visit to a lesson: what the first cell sets up, keeps, and starts over."""

import json
import sys
import types
from contextlib import closing

import pytest

from dockyard import cleanup
from dockyard.commands import progress
from dockyard.core import docker_client, paths, progress_file
from dockyard.exceptions import SceneFailed, UsageError
from dockyard.labs.verdict import NotYet
from dockyard.lessons import lesson_catalog, lesson_check, visit
from dockyard.quiz import progress_report

pytestmark = pytest.mark.engine

NAME = "99-sample"
SCENE = """
guestbook = {guestbook}
scene = '''{scene}'''
[[tasks]]
name = "make-it"
goal = "Create a volume called `mine`."
hint = "A volume is created with `docker volume create`."
right = [{{ shell = "docker volume create mine" }}]
wrong = [{{ shell = "true" }}]
"""


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """Writes the lesson's file; returns the folder of its page."""
    catalog, here = tmp_path / "catalog", tmp_path / "notebooks"
    catalog.mkdir()
    here.mkdir()
    monkeypatch.setattr(lesson_catalog, "FOLDER", catalog)
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(tmp_path / "progress.json"))

    def write(scene="echo set >> scene.txt", guestbook="false"):
        text = SCENE.format(scene=scene, guestbook=guestbook)
        (catalog / f"{NAME}.toml").write_text(text)
        lesson_catalog.load.cache_clear()
        return here

    docker_client.write_config(NAME)
    yield write
    lesson_catalog.load.cache_clear()
    with closing(docker_client.connect()) as daemon:
        cleanup.remove(daemon, lesson=NAME)


def make_volume(attempt, name="mine"):
    assert attempt.run(f"docker volume create {name}").returncode == 0


def volumes():
    with closing(docker_client.connect()) as daemon:
        return [each.name for each in daemon.volumes.list()]


def test_the_first_cell_again_keeps_what_was_made_and_sets_no_scene(sample):
    here = sample()
    attempt, goes_on = visit.begin(NAME, here)
    assert not goes_on
    assert attempt.work == here / "work" / NAME
    make_volume(attempt)
    (attempt.work / "mine.txt").write_text("mine")
    attempt, goes_on = visit.begin(NAME, here)
    assert goes_on
    assert "mine" in volumes()
    assert (attempt.work / "scene.txt").read_text() == "set\n"
    assert (attempt.work / "mine.txt").read_text() == "mine"


def test_a_fresh_start_removes_the_objects_and_keeps_the_files_beside(sample):
    here = sample()
    attempt, _ = visit.begin(NAME, here)
    make_volume(attempt)
    (attempt.work / "mine.txt").write_text("mine")
    attempt, goes_on = visit.begin(NAME, here, fresh=True)
    assert not goes_on
    assert "mine" not in volumes()
    assert (attempt.work / "scene.txt").read_text() == "set\n"
    assert not (attempt.work / "mine.txt").exists()
    (kept,) = here.glob(f"work/{NAME}.2*")
    assert (kept / "mine.txt").read_text() == "mine"


def test_fresh_starts_one_after_the_other_keep_each_folder(sample):
    here = sample()
    for _ in range(4):
        visit.begin(NAME, here, fresh=True)
    assert len(list(here.glob(f"work/{NAME}.2*"))) == 3


@pytest.mark.parametrize("reason", ["tidied", "another daemon", "another edition", "half begun"])
def test_a_visit_begins_anew_when_its_scene_is_not_there(sample, reason):
    here = sample()
    attempt, _ = visit.begin(NAME, here)
    mark = attempt.work / visit.MARK
    if reason == "tidied":
        visit.end(attempt)
    elif reason == "another daemon":
        mark.write_text(json.dumps({**json.loads(mark.read_text()), "daemon": "of before"}))
    elif reason == "another edition":
        sample("echo other > scene.txt")
    else:
        mark.write_text('{"daemon"')
    _, goes_on = visit.begin(NAME, here)
    assert not goes_on


def test_a_page_that_a_program_runs_does_not_count_for_the_learner(sample, checks):
    here = sample()
    learners, _ = visit.begin(NAME, here)
    make_volume(learners)
    lesson_check.report(learners, ["make-it"])
    before = progress_file.read()
    assert before["lessons"][NAME]["tasks"]["make-it"]["done"]
    attempt, _ = visit.begin(NAME, here, fresh=True, counts=False)
    make_volume(attempt)
    assert "done." in lesson_check.report(attempt, ["make-it"])
    assert progress_file.read() == before


def test_a_new_visit_begins_with_all_tasks_to_do_and_the_progress_stays(sample, checks):
    here = sample()
    attempt, _ = visit.begin(NAME, here)
    make_volume(attempt)
    lesson_check.report(attempt, ["make-it"])
    visit.begin(NAME, here, fresh=True)
    assert "done" not in progress_file.read()["lessons"][NAME]["tasks"]["make-it"]
    (counted,) = progress_report.report()["lessons"]
    assert counted == {"lesson": NAME, "done": ["make-it"], "of": 1}
    assert "99-sample" in progress.render(progress_report.report())


def test_a_scene_that_fails_says_how_to_begin_anew_and_is_set_again(sample):
    here = sample("echo why; false")
    with pytest.raises(SceneFailed, match="99-sample") as caught:
        visit.begin(NAME, here)
    assert "why" in str(caught.value)
    assert f"%lesson {NAME} --fresh" in str(caught.value)
    sample()
    attempt, goes_on = visit.begin(NAME, here)
    assert not goes_on
    assert (attempt.work / "scene.txt").exists()


def test_the_guestbook_comes_with_its_wheels(sample):
    attempt, _ = visit.begin(NAME, sample(guestbook="true"))
    folder = attempt.work / "guestbook"
    source = (paths.NOTEBOOKS / "guestbook" / "app.py").read_text()
    assert (folder / "app.py").read_text() == source
    assert list((folder / "wheels").glob("flask-*.whl"))
    assert not list(folder.rglob("__pycache__"))


@pytest.fixture
def checks(monkeypatch):
    """The checks of the sample lesson."""
    module = types.ModuleType("dockyard.lessons.checks.sample")

    def make_it(probe):
        """There is a volume."""
        if "mine" not in [each.name for each in probe.daemon.volumes.list()]:
            raise NotYet("There is no volume called mine.")
        return "There is a volume called mine."

    module.make_it = make_it
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_a_check_says_what_it_saw_and_gives_a_hint_when_asked(sample, checks):
    attempt, _ = visit.begin(NAME, sample())
    assert lesson_check.report(attempt, ["make-it"]).splitlines() == [
        "✘ make-it: not yet. There is no volume called mine.",
        "    Expected: Create a volume called `mine`.",
        "    Stuck?  %check make-it --hint",
    ]
    assert "docker volume create" in lesson_check.report(attempt, ["make-it"], hint=True)
    make_volume(attempt)
    said = "✔ make-it: done. There is a volume called mine."
    assert lesson_check.report(attempt, ["make-it"]) == said
    assert lesson_check.report(attempt, []) == f"{said}\n1 of 1 done."
    with pytest.raises(UsageError, match="has no task 'other'"):
        lesson_check.report(attempt, ["other"])
