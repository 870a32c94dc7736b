"""``%quiz``, ``%%predict`` and ``%progress``.

Front ends in which nobody can type an answer, such as nbclient, nbconvert and nbval, send cells
with allow_stdin false (Jupyter messaging, "execute"). There, ``%quiz`` shows text, and
``%%predict`` runs the cell and explains its output.
"""

from __future__ import annotations

from collections.abc import Callable

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from dockyard.exceptions import UsageError
from dockyard.quiz import bank, static_page


def register(ipython: InteractiveShell, lesson: Callable[[], str | None]) -> None:
    """Define the magics in an IPython shell. lesson returns the name of its current lesson."""

    def quiz(line: str) -> None:
        """``%quiz [LESSON]``: show the questions of a lesson, by default of this one."""
        asked = bank.load(line.strip() or _begun(lesson()))
        if is_interactive(ipython):
            from dockyard.quiz.quiz_form import Quiz

            display(Quiz(asked))
        else:
            display(static_page.data(asked), raw=True)

    def predict(line: str, cell: str) -> None:
        """``%%predict NAME``: run the cell and cover its output until the learner chooses."""
        from dockyard.quiz import prediction

        asked = bank.load(_begun(lesson()))
        predicted = asked.prediction(line.strip())
        if is_interactive(ipython):
            prediction.run_covered(ipython, asked.name, predicted, cell)
        else:
            prediction.run_uncovered(ipython, predicted, cell)

    def progress(_: str) -> None:
        """``%progress``: show the progress in all lessons."""
        from dockyard.quiz import overview

        display(overview.Overview())

    register = ipython.magics_manager.register_function
    register(quiz, "line", "quiz")
    register(predict, "cell", "predict")
    register(progress, "line", "progress")


def is_interactive(ipython: InteractiveShell) -> bool:
    """Whether the front end that runs this cell can answer questions."""
    kernel = getattr(ipython, "kernel", None)
    return bool(kernel and kernel.get_parent("shell").get("content", {}).get("allow_stdin"))


def _begun(lesson: str | None) -> str:
    if lesson is None:
        raise UsageError("No lesson has begun here.", next="Run the first cell.")
    return lesson
