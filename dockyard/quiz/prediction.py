"""Covers the output of a cell until the learner has predicted it.

The cell runs at once, so that "Run All Cells" does not wait. Its output is held back until the
choice, and then becomes ordinary output that is saved with the notebook.
"""

from __future__ import annotations

import threading
import uuid

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display, update_display
from IPython.utils.capture import CapturedIO, capture_output
from traitlets import Bool, Dict, List

from dockyard.exceptions import DockyardError
from dockyard.quiz import answers
from dockyard.quiz.bank import Predicted
from dockyard.quiz.form import Bundle, Form

COVER = (
    '<em style="color: var(--jp-content-font-color2, #555)">'
    "The output is covered until you have decided.</em>"
)


WITHOUT_BUTTONS = (
    "There are no buttons here, because this editor shows no widgets. Decide; then delete the "
    "first line of the cell and run it again.\n"
    "With buttons:  python3 -m dockyard learn"
)


class Prediction(Form):
    """A form with possible outputs of a cell: choose one, or skip."""

    options = List(Dict(), help="letter and text of each.").tag(sync=True)
    outcome = Dict(help="chosen, right, note; chosen is empty when skipped.").tag(sync=True)
    running = Bool(True, help="Whether the cell is still running.").tag(sync=True)

    def __init__(self, lesson: str, asked: Predicted) -> None:
        self.lesson = lesson
        self.asked = asked
        self._covers: dict[str, Bundle] = {}
        self._deciding = threading.Lock()
        super().__init__(
            options=[{"letter": each.letter, "text": each.text} for each in asked.options]
        )

    def static_data(self) -> dict[str, str]:
        """The options as text, and what to do where the output would stay covered."""
        options = (f"{each.letter}) {each.text}" for each in self.asked.options)
        return {"text/plain": "\n".join((*options, WITHOUT_BUTTONS))}

    def cover(self, outputs: list[Bundle]) -> None:
        """Show the outputs covered, or as they are when the learner has already chosen."""
        # Messages may be handled in another thread while the cell is running.
        with self._deciding:
            self.running = False
            for data, metadata in outputs:
                if self.outcome:
                    display(data, metadata=metadata, raw=True)
                    continue
                name = uuid.uuid4().hex
                # Front ends without widgets show the plain text, which is not covered.
                covered = {
                    "text/plain": data.get("text/plain", ""),
                    "text/html": "" if self._covers else COVER,
                }
                display(covered, raw=True, display_id=name)
                self._covers[name] = (data, metadata)

    def receive(self, message: dict[str, str]) -> None:
        """Uncover the output: ``{"chosen": LETTER}``, empty to skip. Only the first one counts.

        The page sends it again until it hears the outcome.
        """
        with self._deciding:
            if self.outcome:
                self._uncover()
                self.send_state(("outcome", "trouble"))
                return
            outcome = {"chosen": message["chosen"], "right": False, "note": ""}
            if message["chosen"]:
                option = self.asked.option(message["chosen"])
                outcome |= {"right": option.right, "note": option.note}
                try:
                    answers.save(answers.GUESSES, self.lesson, self.asked, option.letter)
                except DockyardError as error:
                    self.trouble = f"Your prediction could not be written down. {error}"
            self._uncover()
            self.outcome = outcome

    def _uncover(self) -> None:
        for name, (data, metadata) in self._covers.items():
            update_display(data, metadata=metadata, raw=True, display_id=name)


def run_uncovered(ipython: InteractiveShell, asked: Predicted, cell: str) -> None:
    """Run a cell and explain its output."""
    ipython.run_cell(cell)
    if asked.explanation:
        texts = {"text/markdown": asked.explanation, "text/plain": asked.explanation}
        display(texts, raw=True)


def run_covered(ipython: InteractiveShell, lesson: str, asked: Predicted, cell: str) -> None:
    """Run a cell and cover its output until the learner predicts it or skips."""
    prediction = Prediction(lesson, asked)
    display(prediction)
    try:
        with capture_output() as captured:
            run_uncovered(ipython, asked, cell)
    finally:
        prediction.cover(_bundles(captured))


def _bundles(captured: CapturedIO) -> list[Bundle]:
    texts: list[Bundle] = [
        ({"text/plain": text}, {}) for text in (captured.stdout, captured.stderr) if text
    ]
    # The metadata of a formatted value may be None.
    return texts + [(dict(each.data), dict(each.metadata or {})) for each in captured.outputs]
