"""Answers are saved in the progress file."""

from dockyard.core import progress_file
from dockyard.quiz import answers, bank


def test_an_answer_is_saved_with_its_verdict_and_the_number_of_tries(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    lesson = bank.load("03")
    question = lesson.questions[0]
    wrong = next(option for option in question.options if not option.right)
    for letter in (wrong.letter, question.right.letter):
        answers.save(answers.ANSWERS, lesson.name, question, letter)
    entry = progress_file.read()["answers"][lesson.name][question.name]
    assert entry["chosen"] == question.right.letter
    assert entry["right"] is True
    assert entry["tries"] == 2
