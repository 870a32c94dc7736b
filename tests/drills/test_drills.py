"""Every drill is proved on the daemon: untouched, in wrong ways and in right ways."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue

import pytest

from dockyard import cleanup
from dockyard.core import docker_client, paths
from dockyard.drills import drill_catalog
from dockyard.labs import attempt as attempts
from dockyard.labs import judge
from dockyard.labs.attempt import Attempt
from dockyard.lessons import lesson_catalog
from tests.support.lab_attempts import verdict_on
from tests.support.way_sample import way_marks

DRILLS = list(drill_catalog.load().values())
PLACES = "1234"
"""Where drills are done side by side: most of one is waiting for containers."""

each_drill = pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.task.name)


def test_there_are_drills_on_the_first_thirteen_lessons():
    assert len(DRILLS) >= 40
    lessons = {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")}
    assert {drill.lesson for drill in DRILLS} == {name for name in lessons if name < "13"}
    assert {drill.lesson for drill in DRILLS} <= set(lesson_catalog.names())


def test_no_two_drills_have_the_same_name():
    named = [
        task.name
        for name in drill_catalog.FOLDER.glob("*.toml")
        for task in drill_catalog.data_file.load(name, drill_catalog.DrillFile).drills
    ]
    assert len(named) == len(set(named)) == len(DRILLS)


@each_drill
def test_a_goal_is_short_and_says_the_values_that_it_needs(drill):
    assert len(drill.task.goal.split()) <= 40
    assert judge.check_of(drill, drill.task).__doc__
    assert drill.task.right[0].shell, "what is shown are commands"


@each_drill
def test_the_ways_of_a_drill_differ(drill):
    codes = [way.code for way in (*drill.task.right, *drill.task.wrong)]
    assert len(codes) == len(set(codes))


def begun(drill, place, folder):
    attempt = Attempt(drill, attempts.draw(drill, "proof", place), "proof", place, folder / "drill")
    docker_client.write_config(attempt.lesson)
    attempts.make_folder(attempt)
    attempts.set_scene(attempt, drill.task.scene)
    return attempt


def tidied(attempt):
    with closing(docker_client.connect()) as daemon:
        cleanup.remove(daemon, lesson=attempt.lesson)
        cleanup.remove_named(daemon, attempt.values.values(), any_lesson=True)
        cleanup.untag(daemon, attempt.values.values())
    shutil.rmtree(attempt.work)


def come_of(drill, way, place, folder, *, right):
    """The verdict at the beginning and after a way, and what was printed and expected."""
    attempt = begun(drill, place, folder)
    try:
        (before,) = judge.judge(attempt)
        printed = attempt.run(way).stdout
        said = attempt.fill(way.says)
        after = verdict_on(attempt, drill.task, lambda v: v.done if right else said in v.saw)
        return before, after, printed, said
    finally:
        tidied(attempt)


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory):
    """What comes of each way that was chosen, as futures by drill, kind and number."""
    places = SimpleQueue()
    for place in PLACES:
        places.put(place)
    base = tmp_path_factory.mktemp("drills")

    def prove(drill, kind, number):
        place = places.get()
        try:
            way = getattr(drill.task, kind)[number]
            return come_of(drill, way, place, base / place, right=kind == "right")
        finally:
            places.put(place)

    chosen = [
        tuple(item.callspec.params[key] for key in ("drill", "kind", "number"))
        for item in request.session.items
        if getattr(item, "originalname", "") == test_a_way_is_judged_by_what_it_does.__name__
    ]
    with ThreadPoolExecutor(len(PLACES)) as pool:
        yield {
            (drill.task.name, kind, number): pool.submit(prove, drill, kind, number)
            for drill, kind, number in chosen
        }
        pool.shutdown(cancel_futures=True)


WAYS = [
    (drill, kind, number)
    for drill in DRILLS
    for kind in ("right", "wrong")
    for number in range(len(getattr(drill.task, kind)))
]


@pytest.mark.engine
@pytest.mark.parametrize(
    ("drill", "kind", "number"),
    [
        pytest.param(
            *(drill, kind, number),
            id=f"{drill.task.name}-{kind}-{number + 1}",
            marks=way_marks(place),
        )
        for place, (drill, kind, number) in enumerate(WAYS)
    ],
)
def test_a_way_is_judged_by_what_it_does(drill, kind, number, outcomes):
    way = getattr(drill.task, kind)[number]
    before, after, printed, said = outcomes[drill.task.name, kind, number].result()
    assert not before.done, f"nobody has done anything: {before}"
    assert before.saw and before.expected
    seen = f"{way.code}\n{after}\n{printed}"
    assert not before.check_failed and not after.check_failed, seen
    assert after.done == (kind == "right"), seen
    assert said in after.saw, seen
    if way.mistake:
        assert after.mistake and after.mistake.name == way.mistake, seen
