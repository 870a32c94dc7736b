"""Questions for pages without a kernel: as text, and as HTML with the answers folded."""

from __future__ import annotations

import html
import re

from dockyard.quiz.bank import Lesson, Question


def data(lesson: Lesson) -> dict[str, str]:
    """The questions by MIME type."""
    return {"text/plain": text(lesson), "text/html": markup(lesson)}


def text(lesson: Lesson) -> str:
    """The questions with their options, without the answers."""
    return "\n\n".join(
        f"{number}. {question.ask}\n"
        + "\n".join(f"   {option.letter}) {option.text}" for option in question.options)
        for number, question in enumerate(lesson.questions, start=1)
    )


def markup(lesson: Lesson) -> str:
    """The questions with their options, each with its answer and notes in a fold."""
    return "\n".join(
        _question(number, question) for number, question in enumerate(lesson.questions, start=1)
    )


def _question(number: int, question: Question) -> str:
    options = "<br>\n".join(f"{each.letter}) {prose(each.text)}" for each in question.options)
    notes = "\n".join(
        f"<li>{each.letter}{' is right' if each.right else ''}: {prose(each.note)}</li>"
        for each in question.options
    )
    return (
        f"<p><b>{number}. {prose(question.ask)}</b><br>\n{options}</p>\n"
        f"<details><summary>Answer</summary>\n<ul>\n{notes}\n</ul>\n"
        f"<p>Try it:</p>\n<pre>{html.escape(question.settle)}</pre>\n</details>"
    )


def prose(words: str) -> str:
    """Text as HTML, with `code` between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words, quote=False))
