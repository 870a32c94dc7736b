"""The questions of a lesson as a form: choose, check, read why."""

from __future__ import annotations

import threading

from traitlets import Dict, List, Unicode

from dockyard.exceptions import DockyardError
from dockyard.quiz import answers, static_page
from dockyard.quiz.bank import Lesson
from dockyard.quiz.form import Form

WITHOUT_A_FORM = (
    "This editor shows no widgets, so answers cannot be given or counted here. "
    "With a form: `python3 -m dockyard learn`"
)


class Quiz(Form):
    """The questions of a lesson.

    The page gets the note on an option, and whether it is right, only when the learner checks it.
    The static HTML holds all answers, folded.
    """

    title = Unicode().tag(sync=True)
    questions = List(
        Dict(), help="name, ask and options, each option with its letter and text."
    ).tag(sync=True)
    answers = Dict(help="By question: chosen, right, note, settle.").tag(sync=True)

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self._answering = threading.Lock()
        super().__init__(
            title=_title(lesson),
            questions=[
                {
                    "name": question.name,
                    "ask": question.ask,
                    "options": [
                        {"letter": option.letter, "text": option.text}
                        for option in question.options
                    ],
                }
                for question in lesson.questions
            ],
        )

    def static_data(self) -> dict[str, str]:
        """The questions as text, and as HTML with folded answers."""
        data = static_page.data(self.lesson)
        return {
            "text/plain": f"{data['text/plain']}\n\n{WITHOUT_A_FORM}",
            "text/html": f"{data['text/html']}\n<p>{static_page.prose(WITHOUT_A_FORM)}</p>",
        }

    def receive(self, message: dict[str, str]) -> None:
        """Judge an answer: ``{"question": NAME, "chosen": LETTER}``."""
        question = self.lesson.question(message["question"])
        option = question.option(message["chosen"])
        # Messages may be handled in more than one thread.
        with self._answering:
            try:
                answers.save(answers.ANSWERS, self.lesson.name, question, option.letter)
                self.trouble = ""
            except DockyardError as error:
                self.trouble = f"Your answer could not be written down. {error}"
            self.answers = self.answers | {
                question.name: {
                    "chosen": option.letter,
                    "right": option.right,
                    "note": option.note,
                    "settle": question.settle,
                }
            }


def _title(lesson: Lesson) -> str:
    before = answers.earlier(answers.ANSWERS, lesson.name)
    given = [before[each.name] for each in lesson.questions if each.name in before]
    count = len(lesson.questions)
    if not given:
        return f"{count} questions"
    return f"{count} questions (last time {sum(each['right'] for each in given)} were right)"
