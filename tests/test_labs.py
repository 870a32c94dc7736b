"""The labs, proved from both sides: untouched, wrong, right in two ways; and read-only.

The first right way of each task is proved by nbval: it is the solution notebook.
"""

import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import nbformat
import pytest

from dockyard import client, paths
from dockyard.labs import attempt as attempts
from dockyard.labs import catalogue, judge, pages
from dockyard.labs.judge import check_of

LABS = [catalogue.load(name) for name in catalogue.names()]
GRADED = [(lab, task) for lab in LABS for task in lab.graded]
WRONG = [(lab, task, way) for lab, task in GRADED for way in task.wrong]

each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
each_task = pytest.mark.parametrize(
    ("lab", "task"), GRADED, ids=[f"{lab.name}/{task.name}" for lab, task in GRADED]
)
on_the_engine = pytest.mark.engine

PLACES = ("1", "2", "3")
"""Where wrong ways are gone side by side: most of one is waiting for containers."""


def do(attempt, task, way):
    """Set the task's scene and go one way."""
    if task.scene:
        attempt.run(task.scene)
    return attempt.run(way)


def go_to(attempt, task):
    """Do the tasks that come before this one."""
    for name in task.after:
        earlier = attempt.lab.task(name)
        done = do(attempt, earlier, earlier.right[0])
        assert earlier.fails or done.returncode == 0, done.stdout


def state_of_the_daemon():
    """All that a check must leave as it is."""
    with closing(client.connect()) as daemon:
        return {
            "containers": sorted(
                (each.id, each.status, each.attrs["State"]["StartedAt"])
                for each in daemon.containers.list(all=True)
            ),
            "images": sorted((each.id, *each.tags) for each in daemon.images.list()),
            "networks": sorted(each.id for each in daemon.networks.list()),
            "volumes": sorted(each.name for each in daemon.volumes.list()),
        }


@pytest.fixture
def attempt(lab):
    begun = attempts.begin(lab, "proof")
    yield begun
    attempts.tidy(begun)


@each_lab
def test_the_exercise_is_what_the_catalogue_says(lab):
    page = pages.path(lab, solved=False)
    assert page.read_text() == pages.exercise(lab), "python3 -m dockyard store --labs"


@each_lab
def test_exercise_and_solution_differ_in_the_answers_only(lab):
    def common(page):
        cells = nbformat.read(page, as_version=4).cells
        return [
            (cell.id, cell.source)
            for cell in cells
            if cell.id not in ("begin", "all") and "answer" not in cell.metadata.get("tags", [])
        ]

    assert common(pages.path(lab, solved=False)) == common(pages.path(lab, solved=True))


@each_lab
def test_the_stored_solution_is_done_at_every_check(lab):
    for cell in nbformat.read(pages.path(lab, solved=True), as_version=4).cells:
        if cell.id.endswith("-check"):
            assert ": done." in cell.outputs[0]["data"]["text/plain"], cell.source


@each_lab
def test_a_lab_has_three_to_six_tasks_and_three_reps(lab):
    bounds = {"14-capstone": (12, 20), "15-clinic": (10, 20)}.get(lab.name, (3, 6))
    assert bounds[0] <= len(lab.graded) <= bounds[1]
    if lab.name not in ("14-capstone", "15-clinic"):
        assert len(lab.tasks) - len(lab.graded) >= 3


def test_every_lesson_has_its_lab():
    lessons = {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")}
    assert lessons <= {lab.name for lab in LABS}


@each_task
def test_a_task_has_all_its_hints_and_two_right_ways(lab, task):
    assert task.title and task.where and task.shape
    assert len(task.right) >= 2
    assert task.right[0].code != task.right[1].code
    assert check_of(lab, task).__doc__


def test_at_least_25_mistakes_are_recognised_and_each_is_proved():
    proved = {way.mistake for _, _, way in WRONG}
    assert len(proved) >= 25
    assert proved == set(catalogue.mistakes())


def test_there_are_at_least_40_reps():
    assert sum(task.rep for lab in LABS for task in lab.tasks) >= 40


@on_the_engine
@each_lab
def test_nothing_is_done_before_the_learner_has_done_something(lab, attempt):
    for task in lab.graded:
        if task.scene:
            attempt.run(task.scene)
    for verdict in judge.judge(attempt, [task.name for task in lab.tasks]):
        assert not verdict.done, verdict
        assert verdict.saw and verdict.expected
        assert "daemon would not say" not in verdict.saw


@on_the_engine
@each_lab
def test_other_right_ways_pass_and_checks_change_nothing(lab, attempt):
    for task in lab.tasks:
        done = do(attempt, task, task.right[-1])
        (verdict,) = judge.judge(attempt, [task.name])
        assert verdict.done, f"{verdict}\n{done.stdout}"
    before = state_of_the_daemon()
    for _ in range(10):
        for verdict in judge.judge(attempt):
            assert verdict.done, verdict
    assert state_of_the_daemon() == before


def go_wrong(lab, task, way, places):
    """The verdict on a wrong way gone in a free place, and what its commands printed."""
    place = places.get()
    try:
        begun = attempts.begin(lab, "proof", place)
        try:
            go_to(begun, task)
            done = do(begun, task, way)
            (verdict,) = judge.judge(begun, [task.name])
        finally:
            attempts.tidy(begun)
    finally:
        places.put(place)
    return verdict, done.stdout


@pytest.fixture(scope="module")
def wrong_ways(request):
    """The outcome to come of every wrong way that was chosen to be tested, by its mark."""
    places = queue.SimpleQueue()
    for place in PLACES:
        places.put(place)
    pool = ThreadPoolExecutor(len(PLACES))
    chosen = [
        item.callspec
        for item in request.session.items
        if "way" in getattr(item, "fixturenames", ())
    ]
    yield {
        call.id: pool.submit(
            go_wrong, call.params["lab"], call.params["task"], call.params["way"], places
        )
        for call in chosen
    }
    pool.shutdown(cancel_futures=True)


@on_the_engine
@pytest.mark.parametrize(
    ("lab", "task", "way"),
    WRONG,
    ids=[f"{lab.name}/{task.name}-{way.mistake}" for lab, task, way in WRONG],
)
def test_a_well_known_wrong_way_is_called_by_its_name(lab, task, way, wrong_ways, request):
    verdict, printed = wrong_ways[request.node.callspec.id].result()
    assert not verdict.done
    assert verdict.mistake and verdict.mistake.name == way.mistake, f"{verdict}\n{printed}"
    assert verdict.mistake.why in str(verdict)
