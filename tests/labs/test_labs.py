"""The labs, proved from both sides: untouched, wrong, right in several ways; and read-only.

The first right way of each task is proved by nbval: it is the solution notebook. The others are
taken one after the other in one attempt, as far as what a way has done can be taken back.
"""

import queue
import re
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing

import nbformat
import pytest

from dockyard import cleanup, course
from dockyard.authoring import engine_comparison, lab_notebooks
from dockyard.core import docker_client, paths
from dockyard.labs import attempt as attempts
from dockyard.labs import judge, lab_catalog
from dockyard.labs.judge import check_of
from dockyard.lessons import lesson_catalog
from tests.support.lab_attempts import verdict_on
from tests.support.way_back import WayBack
from tests.support.way_sample import way_marks

LABS = [lab_catalog.load(name) for name in lab_catalog.names()]
EARLY = [lab for lab in LABS if lab.name < "09"]
TASKS = [(lab, task) for lab in LABS for task in lab.tasks]
EXERCISES = [(lab, task) for lab in LABS for task in lab.exercises]
WRONG = [(lab, task, number) for lab, task in EXERCISES for number in range(len(task.wrong))]
# The last one is proved by the test of all tasks together.
RIGHT = [(lab, task, number) for lab, task in EXERCISES for number in range(1, len(task.right) - 1)]

each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
each_task = pytest.mark.parametrize(
    ("lab", "task"), TASKS, ids=[f"{lab.name}/{task.name}" for lab, task in TASKS]
)
on_the_engine = pytest.mark.engine

SAMPLE = [
    pytest.param(lab, id=lab.name, marks=way_marks(place, one_in=3))
    # Without lab 15, which takes minutes.
    for place, lab in enumerate(LABS, start=2)
]

PLACES = ("1", "2", "3")
"""Where labs are done side by side: most of one is waiting for containers."""

UNTOUCHED = "untouched"


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
    lessons = [lesson_catalog.load(name) for name in lesson_catalog.names()]
    tasks = [task for _, task in EXERCISES] + [task for page in lessons for task in page.tasks]
    proved = {way.mistake for task in tasks for way in task.wrong if way.mistake}
    assert len(proved) >= 25
    assert proved == set(lab_catalog.mistakes())


@pytest.mark.parametrize("lab", EARLY, ids=lambda lab: lab.name)
def test_a_task_is_proved_by_three_odd_right_ways_and_three_wrong_ones(lab):
    for task in lab.tasks:
        assert len({way.code for way in task.right[1:]}) >= 3, task.name
        assert len({way.code for way in task.wrong}) >= 3, task.name


@each_task
def test_what_the_check_says_about_a_wrong_way_is_expected(lab, task):
    for way in task.wrong:
        assert way.mistake or way.says, way.code


def headings(lab):
    """The headings of a lab's lesson, without numbers and marks; of all lessons for the clinic."""
    page = paths.NOTEBOOKS / f"{lab.name}.ipynb"
    pages = [page] if page.exists() else sorted(paths.NOTEBOOKS.glob("*.ipynb"))
    cells = [cell for page in pages for cell in nbformat.read(page, as_version=4).cells]
    lines = [line for cell in cells for line in cell.source.splitlines()]
    found = [re.fullmatch(r"#+ (?:[0-9]+\. )?(.+)", line) for line in lines]
    return [match[1].replace("`", "") for match in found if match]


@each_task
def test_a_hint_names_parts_that_the_lesson_has(lab, task):
    said = re.findall(r'[Pp]arts? ("[^"]+"(?: and "[^"]+")?)', task.where)
    named = [name.replace("`", "") for each in said for name in re.findall(r'"([^"]+)"', each)]
    for name in named:
        assert any(each.startswith(name) for each in headings(lab)), name
    assert named or not (paths.NOTEBOOKS / f"{lab.name}.ipynb").exists()


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


def as_expected(attempt, way, *, right):
    """Whether a verdict is what the catalog says about a way."""

    def expected(verdict):
        if right or verdict.done:
            return verdict.done
        mistake = verdict.mistake.name if verdict.mistake else None
        return mistake == way.mistake and attempt.fill(way.says) in verdict.saw

    return expected


class Proof:
    """An attempt at a lab in which one way is taken after the other."""

    def __init__(self, lab, place):
        self.lab, self.place = lab, place
        self.names = []
        self._begin()

    def _begin(self):
        self.attempt = attempts.begin(self.lab, "proof", self.place)
        # Names of images stay until all is done: two attempts may build the very same image, and
        # if one took its last name away while the other builds it, the other would have none.
        self.names.extend(self.attempt.values.values())
        self._there = set()

    def untouched(self):
        """The verdicts at the beginning."""
        before = WayBack(self.attempt)
        verdicts = untouched(self.attempt)
        self._leave(before)
        return verdicts

    def take(self, task, way, *, right):
        """The verdict on a way, what was printed, and the sentence that was expected."""
        go_to(self.attempt, [name for name in task.after if name not in self._there])
        self._there.update(task.after)
        before = WayBack(self.attempt)
        _, printed = do(self.attempt, task, way)
        verdict = verdict_on(self.attempt, task, as_expected(self.attempt, way, right=right))
        said = self.attempt.fill(way.says)
        self._leave(before)
        return verdict, printed, said

    def _leave(self, before):
        if not before.back():
            with closing(docker_client.connect()) as daemon:
                cleanup.remove(daemon, lesson=self.attempt.lesson)
                cleanup.remove_named(daemon, self.attempt.values.values())
            self._begin()


def prove(places, names, lab, begun):
    """Fulfil the futures of a lab: of its beginning, and of its wrong and right ways."""
    place = places.get()
    proof = None
    try:
        for key, future in begun.items():
            if not future.set_running_or_notify_cancel():
                continue
            try:
                proof = proof or Proof(lab, place)
                if key == UNTOUCHED:
                    future.set_result(proof.untouched())
                else:
                    kind, name, number = key
                    task = lab.exercise(name)
                    ways = task.right if kind == "right" else task.wrong
                    future.set_result(proof.take(task, ways[number], right=kind == "right"))
            except BaseException as error:
                future.set_exception(error)
                proof = None
    finally:
        if proof:
            names.extend(proof.names)
            with closing(docker_client.connect()) as daemon:
                cleanup.remove(daemon, lesson=proof.attempt.lesson)
                cleanup.remove_named(daemon, proof.names)
        places.put(place)


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(len(PLACES)) as pool:
        yield pool
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def outcomes(request, pool):
    """What comes of each lab that was chosen, untouched, and of each way, as futures."""
    places, names = queue.SimpleQueue(), []
    for place in PLACES:
        places.put(place)

    def chosen(test):
        items = request.session.items
        found = (item for item in items if getattr(item, "originalname", None) == test.__name__)
        return [item.callspec.params for item in found]

    begun = {lab.name: {} for lab in LABS}
    for each in chosen(test_nothing_is_done_at_the_beginning):
        begun[each["lab"].name][UNTOUCHED] = Future()
    ways = {
        "wrong": chosen(test_a_wrong_way_is_refused_for_its_reason),
        "right": chosen(test_a_right_way_is_accepted),
    }
    for lab, task in EXERCISES:
        for kind, found in ways.items():
            for each in found:
                if (each["lab"], each["task"]) == (lab, task):
                    begun[lab.name][kind, task.name, each["number"]] = Future()
    proofs = [
        pool.submit(prove, places, names, lab, begun[lab.name]) for lab in LABS if begun[lab.name]
    ]
    yield begun
    for futures in begun.values():
        for future in futures.values():
            future.cancel()
    wait(proofs)
    with closing(docker_client.connect()) as daemon:
        cleanup.untag(daemon, names)


@on_the_engine
@each_lab
def test_nothing_is_done_at_the_beginning(lab, outcomes):
    for verdict in outcomes[lab.name][UNTOUCHED].result():
        assert not verdict.done, verdict
        assert verdict.saw and verdict.expected
        task = lab.exercise(verdict.task)
        broken = task.scene or task.fault
        assert broken or not verdict.mistake, f"nobody has done anything: {verdict}"
        assert "daemon would not say" not in verdict.saw


def each_way(ways, kind):
    """A test's parameters."""
    return pytest.mark.parametrize(
        ("lab", "task", "number"),
        [
            pytest.param(
                *(lab, task, number),
                id=f"{lab.name}/{task.name}-{kind}-{number + 1}",
                marks=way_marks(place),
            )
            for place, (lab, task, number) in enumerate(ways)
        ],
    )


@on_the_engine
@each_way(WRONG, "wrong")
def test_a_wrong_way_is_refused_for_its_reason(lab, task, number, outcomes):
    way = task.wrong[number]
    verdict, printed, said = outcomes[lab.name]["wrong", task.name, number].result()
    assert not verdict.done, f"{way.code}\n{verdict}\n{printed}"
    assert not verdict.check_failed, verdict.saw
    mistake = verdict.mistake.name if verdict.mistake else None
    assert mistake == way.mistake, f"{way.code}\n{verdict}\n{printed}"
    assert said in verdict.saw, f"{way.code}\n{verdict}\n{printed}"
    assert not verdict.mistake or verdict.mistake.why in str(verdict)


def what_the_engine_lacks(lab, *tasks):
    """Why ways of these tasks cannot be taken on the present engine, by engines.toml; or None."""
    engine, known = course.State.load().engine, engine_comparison.reasons()
    found = (engine_comparison.why(known, engine, f"labs/{lab.name}", task.name) for task in tasks)
    return next(filter(None, found), None)


@on_the_engine
@each_way(RIGHT, "right")
def test_a_right_way_is_accepted(lab, task, number, outcomes):
    if why := what_the_engine_lacks(lab, task):
        pytest.skip(why)
    verdict, printed, said = outcomes[lab.name]["right", task.name, number].result()
    assert verdict.done, f"{task.right[number].code}\n{verdict}\n{printed}"
    assert said in verdict.saw


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
        lab
        for item in request.session.items
        if "standing" in getattr(item, "fixturenames", ())
        and not what_the_engine_lacks(lab := item.callspec.params["lab"], *lab.exercises)
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
@pytest.mark.parametrize("lab", SAMPLE)
def test_the_other_right_ways_pass_and_checks_change_nothing(lab, standing, pool):
    if why := what_the_engine_lacks(lab, *lab.exercises):
        pytest.skip(why)
    attempt, came_of_it = standing(lab)
    for verdict, printed in came_of_it:
        assert verdict.done, f"{verdict}\n{printed}"
    before = state_of_the_daemon()
    for verdicts in pool.map(judge.judge, [attempt] * len(PLACES)):
        for verdict in verdicts:
            assert verdict.done, verdict
    assert state_of_the_daemon() == before
