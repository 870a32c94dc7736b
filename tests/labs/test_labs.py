"""The labs, proved from both sides: untouched, wrong, right in two ways; and read-only.

The first right way of each task is proved by nbval: it is the solution notebook.
"""

import queue
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import nbformat
import pytest

from dockyard import cleanup
from dockyard.authoring import lab_notebooks
from dockyard.core import docker_client, paths
from dockyard.labs import attempt as attempts
from dockyard.labs import judge, lab_catalog
from dockyard.labs.judge import check_of
from tests.support.lab_attempts import is_mistake, verdict_on

LABS = [lab_catalog.load(name) for name in lab_catalog.names()]
TASKS = [(lab, task) for lab in LABS for task in lab.tasks]
EXERCISES = [(lab, task) for lab in LABS for task in lab.exercises]
WRONG = [(lab, task, number) for lab, task in EXERCISES for number, _ in enumerate(task.wrong)]
OTHER = [
    (lab, task, number)
    for lab, task in EXERCISES
    for number, _ in enumerate(task.right)
    if 0 < number < len(task.right) - 1
]
"""The right ways that are neither in the solution nor the last one, which has its own test."""

each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
each_task = pytest.mark.parametrize(
    ("lab", "task"), TASKS, ids=[f"{lab.name}/{task.name}" for lab, task in TASKS]
)
on_the_engine = pytest.mark.engine

PLACES = ("1", "2", "3")
"""Where labs are done side by side: most of one is waiting for containers."""


def do(attempt, task, way):
    """Set the task's scene and go one way: its exit code, and what both printed."""
    scene = attempt.run(task.scene).stdout if task.scene else ""
    if task.fault:
        scene = attempts.begin_case(attempt, task)
    done = attempt.run(way)
    return done.returncode, scene + done.stdout


def go_to(attempt, names):
    """Do the tasks that come before others."""
    for name in names:
        earlier = attempt.lab.exercise(name)
        code, printed = do(attempt, earlier, earlier.right[0])
        assert earlier.fails or code == 0, printed


def state_of_the_daemon():
    """All that a check must leave as it is."""
    with closing(docker_client.connect()) as daemon:
        return {
            "containers": sorted(
                (each.id, each.status, each.attrs["State"]["StartedAt"])
                for each in daemon.containers.list(all=True)
            ),
            "images": sorted((each.id, *each.tags) for each in daemon.images.list()),
            "networks": sorted(each.id for each in daemon.networks.list()),
            "volumes": sorted(each.name for each in daemon.volumes.list()),
        }


@each_lab
def test_the_exercise_is_what_the_catalog_says(lab):
    page = lab_notebooks.path(lab, solved=False)
    assert page.read_text() == lab_notebooks.exercise(lab), "python3 -m dockyard store --labs"


@each_lab
def test_exercise_and_solution_differ_in_the_answers_only(lab):
    def common(page):
        cells = nbformat.read(page, as_version=4).cells
        return [
            (cell.id, cell.source)
            for cell in cells
            if cell.id not in ("begin", "all", "tidy-text")
            and "answer" not in cell.metadata.get("tags", [])
        ]

    assert common(lab_notebooks.path(lab, solved=False)) == common(
        lab_notebooks.path(lab, solved=True)
    )


@each_lab
def test_the_stored_solution_is_done_at_every_check(lab):
    for cell in nbformat.read(lab_notebooks.path(lab, solved=True), as_version=4).cells:
        if cell.id.endswith("-check"):
            assert ": done." in cell.outputs[0]["data"]["text/plain"], cell.source


@each_lab
def test_a_lab_has_three_to_six_tasks_and_three_reps(lab):
    bounds = {"15-capstone": (12, 20), "16-clinic": (30, 40)}.get(lab.name, (3, 6))
    assert bounds[0] <= len(lab.tasks) <= bounds[1]
    if lab.name not in ("15-capstone", "16-clinic"):
        assert len(lab.reps) >= 3


def test_every_lesson_has_its_lab():
    lessons = {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")}
    assert lessons <= {lab.name for lab in LABS}


@each_task
def test_a_task_has_all_its_hints_and_two_right_ways(lab, task):
    assert task.title and task.where and task.shape
    assert len(task.right) >= 2
    assert task.right[0].code != task.right[1].code
    assert check_of(lab, task).__doc__


def test_at_least_25_mistakes_are_recognised_and_each_is_tested():
    proved = {way.mistake for _, task in EXERCISES for way in task.wrong if way.mistake}
    assert len(proved) >= 25
    assert proved == set(lab_catalog.mistakes())


def test_there_are_at_least_40_reps():
    assert sum(len(lab.reps) for lab in LABS) >= 40


def untouched(attempt):
    """The verdicts when the learner has done nothing yet."""
    for task in attempt.lab.tasks:
        if task.scene:
            attempt.run(task.scene)
        if task.fault:
            attempts.begin_case(attempt, task)
    return judge.judge(attempt, [task.name for task in attempt.lab.exercises])


def gone(attempt, earlier, ways):
    """For each task and way, the verdict, what it should say, and what the commands printed."""
    go_to(attempt, earlier)
    came_of_it = {}
    for task, way in ways:
        _, printed = do(attempt, task, way)
        says = attempt.fill(way.says)
        verdict = verdict_on(attempt, task, is_as_said(way, says))
        came_of_it[task.name] = verdict, says, printed
    return came_of_it


def is_as_said(way, says):
    """Whether a verdict is what the catalog says of a way, or accepts a wrong one."""

    def is_it(verdict):
        if verdict.done or not (way.mistake or says):
            return verdict.done
        return says in verdict.saw and (not way.mistake or is_mistake(way.mistake)(verdict))

    return is_it


def together(chosen):
    """Ways by attempt: one of each task of a lab, of tasks that come after the same ones.

    A lab's scene takes longer than most ways.
    """
    found = defaultdict(list)
    for lab, task, key, way in chosen:
        found[lab.name, task.after, key].append((lab, task, key, way))
    return found.values()


def in_a_place(places, names, work, lab, *others):
    """What comes of work in a new attempt at the lab, in a place that is free.

    Names of images stay until all is done: two attempts may build the very same image, and if one
    took its last name away while the other builds it, the other would have none.
    """
    place = places.get()
    try:
        begun = attempts.begin(lab, "proof", place)
        names.extend(begun.values.values())
        try:
            return work(begun, *others)
        finally:
            with closing(docker_client.connect()) as daemon:
                cleanup.remove(daemon, lesson=begun.lesson)
    finally:
        places.put(place)


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(len(PLACES)) as pool:
        yield pool
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def outcomes(request, pool):
    """What comes of each lab that was chosen, untouched, and of each wrong way, as futures."""
    places, names = queue.SimpleQueue(), []
    for place in PLACES:
        places.put(place)

    def chosen(test):
        items = request.session.items
        found = (item for item in items if getattr(item, "originalname", None) == test.__name__)
        return [item.callspec.params for item in found]

    def begin(work, lab, *others):
        return pool.submit(in_a_place, places, names, work, lab, *others)

    begun = {}
    for each in chosen(test_nothing_is_done_at_the_beginning):
        begun[each["lab"].name] = begin(untouched, each["lab"])
    ways_to_go = []
    for kind, test in (("wrong", test_a_wrong_way_is_refused), ("right", test_a_right_way_is_done)):
        for lab, task, number in (tuple(each.values()) for each in chosen(test)):
            ways_to_go.append((lab, task, (kind, number), getattr(task, kind)[number]))
    for ways in together(ways_to_go):
        lab, first, key, _ = ways[0]
        future = begin(gone, lab, first.after, [(task, way) for _, task, _, way in ways])
        begun.update({(lab.name, task.name, key): future for _, task, _, _ in ways})
    yield begun
    for future in begun.values():
        future.cancel()
    wait(begun.values())
    with closing(docker_client.connect()) as daemon:
        cleanup.untag(daemon, names)


@on_the_engine
@each_lab
def test_nothing_is_done_at_the_beginning(lab, outcomes):
    for verdict in outcomes[lab.name].result():
        assert not verdict.done, verdict
        assert verdict.saw and verdict.expected
        assert "daemon would not say" not in verdict.saw


@on_the_engine
@pytest.mark.parametrize(
    ("lab", "task", "number"),
    WRONG,
    ids=[
        f"{lab.name}/{task.name}-{number}-{task.wrong[number].mistake or 'refused'}"
        for lab, task, number in WRONG
    ],
)
def test_a_wrong_way_is_refused(lab, task, number, outcomes):
    way = task.wrong[number]
    outcome = outcomes[lab.name, task.name, ("wrong", number)].result()[task.name]
    verdict, says, printed = outcome
    assert not verdict.done, f"{verdict}\n{printed}"
    assert not verdict.check_failed, f"{verdict}\n{printed}"
    assert (verdict.mistake and verdict.mistake.name) == way.mistake, f"{verdict}\n{printed}"
    assert says in verdict.saw, f"{verdict}\n{printed}"


@on_the_engine
@pytest.mark.parametrize(
    ("lab", "task", "number"),
    OTHER,
    ids=[f"{lab.name}/{task.name}-{number}" for lab, task, number in OTHER],
)
def test_a_right_way_is_done(lab, task, number, outcomes):
    outcome = outcomes[lab.name, task.name, ("right", number)].result()[task.name]
    verdict, _, printed = outcome
    assert verdict.done, f"{verdict}\n{printed}"


def done_rightly(lab, place):
    """An attempt at the lab with every task done, and for each the verdict and what was printed."""
    begun = attempts.begin(lab, "proof", place)
    try:
        came_of_it = []
        for task in lab.exercises:
            _, printed = do(begun, task, task.right[-1])
            verdict = verdict_on(begun, task, lambda verdict: verdict.done)
            came_of_it.append((verdict, printed))
        return begun, came_of_it
    except BaseException:
        attempts.tidy(begun)
        raise


@pytest.fixture(scope="module")
def standing(request, pool):
    """A function from a lab to what ``done_rightly`` makes of it.

    Three labs are done at once and then stand still together: what one test sees of the daemon
    is not changed by another's work.
    """
    chosen = [
        item.callspec.params["lab"]
        for item in request.session.items
        if "standing" in getattr(item, "fixturenames", ())
    ]
    made = {}

    def clear():
        for future in made.values():
            if not future.exception():
                attempts.tidy(future.result()[0])
        made.clear()

    def of(lab):
        if lab.name not in made:
            clear()
            first = chosen.index(lab)
            together = zip(chosen[first:], PLACES, strict=False)
            made.update(
                {each.name: pool.submit(done_rightly, each, place) for each, place in together}
            )
            wait(made.values())
        return made[lab.name].result()

    yield of
    clear()


@on_the_engine
@each_lab
def test_the_other_right_ways_pass_and_checks_change_nothing(lab, standing, pool):
    attempt, came_of_it = standing(lab)
    for verdict, printed in came_of_it:
        assert verdict.done, f"{verdict}\n{printed}"
    before = state_of_the_daemon()
    for verdicts in pool.map(judge.judge, [attempt] * 10):
        for verdict in verdicts:
            assert verdict.done, verdict
    assert state_of_the_daemon() == before
