"""The bank of questions and predictions agrees with the pages, and with the daemon."""

import re
import subprocess
from collections import Counter
from contextlib import closing

import nbformat
import pytest

from dockyard import cleanup, course
from dockyard.core import data_file, docker_client, paths
from dockyard.exceptions import InvalidDataFile, UsageError
from dockyard.quiz import bank, static_page
from tests.support.way_sample import way_marks

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
    """The predicted cells: name, cell, and the question above it."""
    asking = ""
    for cell in cells(path):
        if cell.cell_type == "markdown" and "**Predict" in cell.source:
            asking = cell.source[cell.source.rindex("**Predict") :]
        elif cell.cell_type == "code" and (found := PREDICT.match(cell.source)):
            yield found[1], cell, asking


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
    assert asked.right.note == "", "what is right is told by the explanation"
    assert len(asked.explanation) > 15


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


@each_page
def test_the_predictions_of_a_page_are_those_of_the_bank(path):
    used = {name: (cell, asking) for name, cell, asking in covered(path)}
    asked = {each.name: each for each in bank.load(path.stem).predictions}
    assert used.keys() == asked.keys()
    for name, (cell, asking) in used.items():
        assert cell.id == name
        assert "?" in asking, name
        text = asked[name].explanation
        assert cell.outputs[-1].get("data") == {"text/markdown": text, "text/plain": text}, name


@each_page
def test_the_page_itself_does_not_answer_its_predictions(path):
    source = cells(path)
    for name, cell, asking in covered(path):
        assert not OPTION.search(asking), f"{name}: the form shows the options"
        after = next(
            each.source for each in source[source.index(cell) :] if each.cell_type == "markdown"
        )
        assert not re.match(r"It is [a-f]\b", after), f"{name}: this belongs to the explanation"


@each_prediction
def test_an_explanation_that_names_a_letter_names_the_right_one(lesson, asked):
    if said := re.match(r"(?:It is|The prediction is settled:) ([a-f])\b", asked.explanation):
        assert said[1] == asked.right.letter


SETTLED = [
    pytest.param(*asked, id=name, marks=way_marks(place, one_in=3))
    for place, (asked, name) in enumerate(zip(QUESTIONS, named(QUESTIONS), strict=True))
]


@pytest.mark.parametrize(("lesson", "question"), SETTLED)
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


def test_an_unknown_lesson_or_question_is_named_with_those_there_are():
    with pytest.raises(UsageError, match="03-containers"):
        bank.load("no-such-lesson")
    with pytest.raises(UsageError, match="program-ends"):
        bank.load("03").question("no-such-question")


TEXT = (bank.FOLDER / "03-containers.toml").read_text()


@pytest.mark.parametrize(
    ("good", "bad", "why"),
    [
        ('name = "killed"', 'nam = "killed"', "questions[1].nam: "),
        ('shows = "exited 3"\n', "", "questions[0]: Object missing required field `shows`"),
        ('exit code", right = true', 'exit code", rite = true', "questions[0].options[1].rite: "),
        ('exit code", right = true', 'exit code", right = false', "Exactly one of `options`"),
        ('"""\nright = "c"\noptions = { a = "dozens', '"""\nright = "d"\noptions = { a = "dozens',
         "predictions.one-process: `right` is 'd', which is not one of `options`"),
        ('[predictions.one-process.notes]\na', "[predictions.one-process.notes]\nc",
         "predictions.one-process: `notes` must have exactly the wrong letters: ['a', 'b']"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_of_a_lesson_is_named(tmp_path, good, bad, why):
    assert TEXT.count(good) == 1
    file = tmp_path / "99-sample.toml"
    file.write_text(TEXT.replace(good, bad))
    with pytest.raises(InvalidDataFile) as caught:
        data_file.load(file, bank.BankFile)
    assert why in caught.value.why
    assert caught.value.next.endswith("dockyard/quiz/bank.py.")
