"""``%quiz``, ``%%predict`` and ``%progress``.

Whether somebody sits in front of the page is told by the request to execute a cell: a front end
in which nobody could type an answer says allow_stdin false (Jupyter messaging, "execute"), as
nbclient, nbconvert and nbval do. There, ``%quiz`` is a page of text, and ``%%predict`` is as if it
were not there.
"""

from __future__ import annotations

from collections.abc import Callable

from IPython.display import display

from dockyard.exceptions import UsageError
from dockyard.quiz import bank, static_page


def register(ipython, lesson: Callable[[], str | None]) -> None:
    """Make the magics known to an IPython shell; lesson tells which lesson has begun in it."""

    def quiz(line: str) -> None:
        """``%quiz [LESSON]``: the questions of this lesson, or of the one that is named."""
        asked = bank.load(line.strip() or _begun(lesson()))
        if live(ipython):
            from dockyard.quiz.quiz_form import Quiz

            display(Quiz(asked))
        else:
            display(
                {"text/plain": static_page.text(asked), "text/html": static_page.markup(asked)},
                raw=True,
            )

    def predict(line: str, cell: str) -> None:
        """``%%predict NAME``: run the cell, and cover its output until the learner decides."""
        if not live(ipython):
            ipython.run_cell(cell)
            return
        from dockyard.quiz import prediction

        asked = bank.load(_begun(lesson()))
        prediction.covered(ipython, asked.name, asked.prediction(line.strip()), cell)

    def progress(_: str) -> None:
        """``%progress``: what has been done so far, lesson by lesson."""
        from dockyard.quiz import overview

        display(overview.Overview())

    ipython.register_magic_function(quiz, "line", "quiz")
    ipython.register_magic_function(predict, "cell", "predict")
    ipython.register_magic_function(progress, "line", "progress")


def live(ipython) -> bool:
    """Whether somebody sits in front of the cell that is being run."""
    kernel = getattr(ipython, "kernel", None)
    return bool(kernel and kernel.get_parent("shell").get("content", {}).get("allow_stdin"))


def _begun(lesson: str | None) -> str:
    if lesson is None:
        raise UsageError("No lesson has begun here.", next="Run the first cell.")
    return lesson
