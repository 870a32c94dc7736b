"""The questions and predictions: their form, what settles them on the daemon, and what is kept."""

import re
import subprocess
from collections import Counter
from contextlib import closing

import nbformat
import pytest

from dockyard import cleanup, course
from dockyard.core import docker_client, paths, progress_file
from dockyard.exceptions import UsageError
from dockyard.quiz import answers, bank, overview, static_page

PAGES = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
LESSONS = [bank.load(name) for name in bank.names()]
QUESTIONS = [(lesson, question) for lesson in LESSONS for question in lesson.questions]
PREDICTIONS = [(lesson, asked) for lesson in LESSONS for asked in lesson.predictions]
PREDICT = re.compile(r"%%predict +(\S+)\n")
OPTION = re.compile(r"(?:^| · )([a-f])\) (.*?)(?= · [a-f]\) |$)", re.MULTILINE)


def named(pairs):
    return [f"{lesson.name}/{asked.name}" for lesson, asked in pairs]


each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
each_question = pytest.mark.parametrize(("lesson", "question"), QUESTIONS, ids=named(QUESTIONS))
each_prediction = pytest.mark.parametrize(("lesson", "asked"), PREDICTIONS, ids=named(PREDICTIONS))


def cells(path):
    return nbformat.read(path, as_version=4).cells


def covered(path):
    """The cells that are foretold: NAME, and the text above the cell that asks."""
    asking = ""
    for cell in cells(path):
        if cell.cell_type == "markdown" and "**Predict" in cell.source:
            asking = cell.source[cell.source.rindex("**Predict") :]
        elif cell.cell_type == "code" and (found := PREDICT.match(cell.source)):
            yield found[1], cell, asking


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))


def test_every_lesson_has_its_questions():
    assert [lesson.name for lesson in LESSONS] == [path.stem for path in PAGES]


@each_lesson
def test_a_lesson_has_three_to_five_questions_each_with_a_name_of_its_own(lesson):
    names = [question.name for question in lesson.questions]
    assert 3 <= len(names) <= 5
    assert len(set(names)) == len(names)


@each_question
def test_every_option_of_a_question_is_explained_in_words_of_its_own(lesson, question):
    assert len(question.options) >= 3
    assert question.right
    notes = [option.note for option in question.options]
    assert all(len(note) > 15 for note in notes)
    assert len(set(notes)) == len(notes)
    assert question.ask.endswith("?")


@each_prediction
def test_every_wrong_guess_has_an_explanation_of_its_own(lesson, asked):
    notes = [option.note for option in asked.options if not option.right]
    assert notes and len(set(notes)) == len(notes)
    assert all(len(note) > 15 for note in notes)
    assert asked.right.note == "", "what is right is told by the page, after the cell"


def test_no_letter_is_right_much_more_often_than_the_others():
    letters = Counter(question.right.letter for _, question in QUESTIONS)
    assert set(letters) == set("abc")
    assert max(letters.values()) <= len(QUESTIONS) / 2


@each_page
def test_a_page_asks_its_questions_right_before_it_tidies_up(path):
    *_, heading, quiz, tidy = [
        cell for cell in cells(path) if "Questions" in cell.source or cell.cell_type == "code"
    ]
    assert heading.cell_type == "markdown" and "## Questions" in heading.source
    assert quiz.source == "%quiz"
    assert tidy.source.endswith("%tidy")
    lesson = bank.load(path.stem)
    (output,) = quiz.outputs
    assert output.data == {
        "text/plain": static_page.text(lesson),
        "text/html": static_page.markup(lesson),
    }


def test_the_welcome_page_shows_the_progress_of_somebody_who_begins(own_home):
    """nbval cannot compare this output: a learner's own progress is another."""
    (cell,) = [each for each in cells(PAGES[0]) if each.source == "%progress"]
    (output,) = cell.outputs
    table = overview.Overview()
    assert output.data == {"text/plain": repr(table), "text/html": table._repr_html_()}


@each_page
def test_the_predictions_of_a_page_are_those_of_the_bank(path):
    used = {name: (cell, asking) for name, cell, asking in covered(path)}
    asked = {each.name: each for each in bank.load(path.stem).predictions}
    assert used.keys() == asked.keys()
    for name, (cell, asking) in used.items():
        assert cell.id == name
        shown = dict(OPTION.findall(asking))
        assert shown == {option.letter: option.text for option in asked[name].options}, name


@each_page
def test_every_choice_that_a_page_offers_is_covered(path):
    offered = [
        cell.id
        for cell in cells(path)
        for part in cell.source.split("**Predict")[1:]
        if cell.cell_type == "markdown" and OPTION.search(part)
    ]
    assert len(bank.load(path.stem).predictions) == len(offered), offered


@each_page
def test_the_page_settles_a_prediction_as_the_bank_does(path):
    source = cells(path)
    for name, cell, _ in covered(path):
        after = next(
            each.source for each in source[source.index(cell) :] if each.cell_type == "markdown"
        )
        said = re.match(r"(?:It is|The prediction is settled:) ([a-f])\b", after)
        assert said, f"{name}: {after[:60]}"
        assert said[1] == bank.load(path.stem).prediction(name).right.letter, name


@each_question
@pytest.mark.engine
def test_the_daemon_settles_the_question_and_nothing_is_left(lesson, question):
    docker_client.write_config(own := f"{lesson.name}-settle")
    try:
        done = subprocess.run(
            ["bash", "-c", question.settle],
            env=course.whole_environment() | course.environment(own),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        with closing(docker_client.connect()) as daemon:
            left = cleanup.remove(daemon, lesson=own)
    assert done.stdout.rstrip("\n") == question.shows, done.stderr
    assert str(left) == "Nothing to remove."


@each_lesson
def test_the_text_page_has_all_options_and_no_answer(lesson):
    text, markup = static_page.text(lesson), static_page.markup(lesson)
    for question in lesson.questions:
        for option in question.options:
            assert f"{option.letter}) {option.text}" in text
            assert option.note not in text
            assert static_page.prose(option.note) in markup
    assert markup.count("<details>") == markup.count("</details>") == len(lesson.questions)


def test_markup_is_escaped_and_code_is_marked():
    assert static_page.prose("a < b and `c > d`") == "a &lt; b and <code>c &gt; d</code>"


def test_an_answer_is_kept_with_its_verdict_and_the_number_of_tries(own_home):
    lesson = bank.load("07")
    question = lesson.questions[0]
    wrong = next(option for option in question.options if not option.right)
    for letter in (wrong.letter, question.right.letter):
        answers.note(answers.ANSWERS, lesson.name, question, letter)
    entry = progress_file.read()["answers"][lesson.name][question.name]
    assert entry["chosen"] == question.right.letter
    assert entry["right"] is True
    assert entry["tries"] == 2


def test_an_unknown_lesson_or_question_is_named_with_those_there_are():
    with pytest.raises(UsageError, match="07-containers"):
        bank.load("no-such-lesson")
    with pytest.raises(UsageError, match="program-ends"):
        bank.load("07").question("no-such-question")
