"""The magics in a real kernel, with front ends that can answer questions and that cannot.

tests/browser tests the page itself.
"""

import json
from contextlib import contextmanager

import pytest
from jupyter_client.manager import start_new_kernel

from dockyard import course
from dockyard.core import paths
from dockyard.lessons import lesson_catalog
from dockyard.quiz import bank, static_page

WIDGET = "application/vnd.jupyter.widget-view+json"
TIMEOUT = 60
LESSON = "03-containers"


class Front:
    """A front end: runs cells, collects what they show, and sends what a widget's page sends."""

    def __init__(self, kernel) -> None:
        self.kernel = kernel
        self.states = {}

    def run(self, cell, *, interactive):
        """Run a cell in a front end that can answer questions or not. Returns the messages."""
        return self._until_idle(self.kernel.execute(cell, allow_stdin=interactive))

    def send(self, widget, content):
        """Send a widget's message; returns the messages that it causes."""
        data = {"method": "custom", "content": content}
        message = self.kernel.session.msg("comm_msg", {"comm_id": widget, "data": data})
        self.kernel.shell_channel.send(message)
        return self._until_idle(message["header"]["msg_id"])

    def _until_idle(self, request):
        messages = []
        while True:
            message = self.kernel.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return messages
            if message["msg_type"] in ("comm_open", "comm_msg"):
                state = content["data"].get("state", {})
                self.states.setdefault(content["comm_id"], {}).update(state)
            messages.append(message)


@contextmanager
def _kernel(home, folder):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (course.whole_environment() | {"DOCKYARD_HOME": str(home)}).items():
            patch.setenv(name, value)
        manager, client = start_new_kernel(cwd=str(folder))
    try:
        front = Front(client)
        front.run("import os\n%load_ext dockyard", interactive=False)
        yield front
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A kernel in which no lesson has begun."""
    with _kernel(paths.home(), tmp_path_factory.mktemp("bare")) as front:
        yield front


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A kernel in which a lesson has begun, on the real daemon."""
    with _kernel(paths.home(), tmp_path_factory.mktemp("begun")) as front:
        assert "Ready" in printed(front.run(f"%lesson {LESSON}", interactive=False))
        yield front


def at_home(front, folder):
    """Let the kernel save its progress in the test's folder."""
    front.run(f"os.environ['DOCKYARD_HOME'] = {str(folder)!r}", interactive=False)
    return front


@pytest.fixture
def front(bare, tmp_path):
    return at_home(bare, tmp_path)


@pytest.fixture
def lesson(begun, tmp_path):
    return at_home(begun, tmp_path)


def kept(folder):
    return json.loads((folder / "progress.json").read_text())


def shown(messages, kind="display_data"):
    return [each["content"]["data"] for each in messages if each["msg_type"] == kind]


def printed(messages):
    return "".join(each["content"]["text"] for each in messages if each["msg_type"] == "stream")


def test_a_front_end_that_cannot_answer_shows_the_questions_as_text(front):
    (data,) = shown(front.run(f"%quiz {LESSON}", interactive=False))
    lesson = bank.load(LESSON)
    assert data == {"text/plain": static_page.text(lesson), "text/html": static_page.markup(lesson)}


def test_an_answer_is_judged_and_saved(front, tmp_path):
    (data,) = shown(front.run(f"%quiz {LESSON}", interactive=True))
    widget = data[WIDGET]["model_id"]
    without_widgets = data["text/plain"]
    assert without_widgets.startswith(static_page.text(bank.load(LESSON)))
    assert "python3 -m dockyard learn" in without_widgets
    question = bank.load(LESSON).questions[0]
    assert question.right.note not in json.dumps(front.states), "not told before it was asked"

    wrong = next(option for option in question.options if not option.right)
    front.send(widget, {"question": question.name, "chosen": wrong.letter})
    told = front.states[widget]["answers"][question.name]
    assert (told["right"], told["note"]) == (False, wrong.note)
    assert told["settle"] == question.settle
    assert kept(tmp_path)["answers"][LESSON][question.name]["right"] is False

    front.send(widget, {"question": question.name, "chosen": question.right.letter})
    told = front.states[widget]["answers"][question.name]
    assert (told["right"], told["note"]) == (True, question.right.note)
    assert kept(tmp_path)["answers"][LESSON][question.name]["right"] is True


def test_an_answer_that_cannot_be_saved_is_still_judged(front, tmp_path):
    (data,) = shown(front.run(f"%quiz {LESSON}", interactive=True))
    question = bank.load(LESSON).questions[0]
    (tmp_path / "progress.new").mkdir()
    widget = data[WIDGET]["model_id"]
    front.send(widget, {"question": question.name, "chosen": question.right.letter})
    assert front.states[widget]["answers"][question.name]["right"] is True
    assert "could not be written down" in front.states[widget]["trouble"]


def test_without_a_lesson_the_magics_say_which_cell_to_run(front):
    for cell in ("%quiz", "%%predict restart-run\n1 + 1"):
        (error,) = [
            each for each in front.run(cell, interactive=True) if each["msg_type"] == "error"
        ]
        assert "No lesson has begun here." in "\n".join(error["content"]["traceback"])


EXPLANATION = bank.load(LESSON).prediction("restart-run").explanation
EXPLAINED = {"text/markdown": EXPLANATION, "text/plain": EXPLANATION}


@pytest.mark.engine
def test_a_front_end_that_cannot_answer_shows_the_output_and_its_explanation(lesson):
    cell = 'print("first")\n6 * 7'
    plain = lesson.run(cell, interactive=False)
    covered = lesson.run(f"%%predict restart-run\n{cell}", interactive=False)
    assert printed(covered) == printed(plain) == "first\n"
    assert shown(covered, "execute_result") == shown(plain, "execute_result")
    assert shown(covered) == [EXPLAINED]


CELL = """%%predict restart-run
%%bash
docker run --rm busybox echo from a container
"""


@pytest.mark.engine
def test_an_output_stays_covered_until_the_choice_is_made(lesson, tmp_path):
    messages = lesson.run(CELL, interactive=True)
    assert "from a container" not in printed(messages)
    form, cover, hidden = shown(messages)
    assert "covered" in cover["text/html"]
    assert hidden["text/html"] == ""
    # A front end without widgets shows plain text, and must not hide anything for ever.
    assert cover["text/plain"] == "from a container\n"
    asked = bank.load(LESSON).prediction("restart-run")
    wrong = next(option for option in asked.options if not option.right)
    widget = form[WIDGET]["model_id"]
    assert "note" not in json.dumps(lesson.states[widget].get("options"))

    updates = shown(lesson.send(widget, {"chosen": wrong.letter}), "update_display_data")
    assert updates == [{"text/plain": "from a container\n"}, EXPLAINED]
    assert lesson.states[widget]["outcome"] == {
        "chosen": wrong.letter, "right": False, "note": wrong.note,
    }  # fmt: skip
    entry = kept(tmp_path)["guesses"][LESSON]["restart-run"]
    assert (entry["chosen"], entry["right"]) == (wrong.letter, False)

    # Only the first choice counts; the page may not have heard of it, so it is said again.
    again = shown(lesson.send(widget, {"chosen": asked.right.letter}), "update_display_data")
    assert again == updates
    assert kept(tmp_path)["guesses"][LESSON]["restart-run"]["right"] is False


@pytest.mark.engine
def test_skipping_uncovers_and_saves_nothing(lesson, tmp_path):
    form, *_ = shown(lesson.run(CELL, interactive=True))
    updates = shown(lesson.send(form[WIDGET]["model_id"], {"chosen": ""}), "update_display_data")
    assert updates == [{"text/plain": "from a container\n"}, EXPLAINED]
    assert not (tmp_path / "progress.json").exists()


@pytest.mark.engine
def test_all_outputs_of_a_cell_are_covered_in_order(lesson, tmp_path):
    cell = "%%predict restart-run\n%%trace\n!docker run --rm busybox echo from a container"
    at_home(lesson, paths.home())
    form, *covers = shown(lesson.run(cell, interactive=True))
    at_home(lesson, tmp_path)
    assert len(covers) == 3
    updates = shown(lesson.send(form[WIDGET]["model_id"], {"chosen": "c"}), "update_display_data")
    assert updates[0] == {"text/plain": "from a container\n"}
    assert "POST   /containers/create" in updates[1]["text/plain"]


@pytest.mark.engine
def test_a_cell_that_raises_shows_its_error_and_still_uncovers(lesson):
    messages = lesson.run("%%predict restart-run\nprint('before')\n1 / 0", interactive=True)
    (error,) = [each for each in messages if each["msg_type"] == "error"]
    assert error["content"]["ename"] == "ZeroDivisionError"
    form, *_ = shown(messages)
    updates = shown(lesson.send(form[WIDGET]["model_id"], {"chosen": "c"}), "update_display_data")
    assert updates == [{"text/plain": "before\n"}, EXPLAINED]


def test_the_progress_is_shown_lesson_by_lesson(front, tmp_path):
    question = bank.load(LESSON).questions[0]
    (data,) = shown(front.run(f"%quiz {LESSON}", interactive=True))
    front.send(
        data[WIDGET]["model_id"], {"question": question.name, "chosen": question.right.letter}
    )
    (data,) = shown(front.run("%progress", interactive=True))
    count = len(bank.load(LESSON).questions)
    (row,) = [line for line in data["text/plain"].splitlines() if line.startswith(LESSON)]
    assert f"1 of {count}" in row
    tasks, guesses = len(lesson_catalog.load(LESSON).tasks), len(bank.load(LESSON).predictions)
    cells = (f"0 of {tasks}", f"0 of {guesses}", f"1 of {count}")
    row = f'<th scope="row">{LESSON}</th>' + "".join(f"<td>{each}</td>" for each in cells)
    assert row in data["text/html"]
