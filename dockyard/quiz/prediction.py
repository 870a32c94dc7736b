"""A cell whose output stays covered until the learner has said what it will be.

The cell runs at once, so that "Run All Cells" never waits for anybody. What it prints and shows
is kept back and put in place by the choice, as ordinary output that is saved with the notebook.
"""

from __future__ import annotations

import threading
import uuid

from IPython.display import display, update_display
from IPython.utils.capture import capture_output
from traitlets import Bool, Dict, List

from dockyard.exceptions import Busy
from dockyard.quiz import answers
from dockyard.quiz.bank import Asked
from dockyard.quiz.form import Form

COVER = (
    '<em style="color: var(--jp-content-font-color2, #555)">'
    "The output is covered until you have decided.</em>"
)
Bundle = tuple[dict, dict]
"""What is shown, by MIME type, and its metadata."""


class Prediction(Form):
    """What the cell's output will be: choose one, or skip."""

    options = List(help="letter and text of each.").tag(sync=True)
    outcome = Dict(help="chosen, right, note; chosen is empty when skipped.").tag(sync=True)
    running = Bool(True, help="Whether the cell still runs.").tag(sync=True)

    def __init__(self, lesson: str, asked: Asked) -> None:
        self.lesson = lesson
        self.asked = asked
        self._covers: dict[str, Bundle] = {}
        self._deciding = threading.Lock()
        super().__init__(
            options=[{"letter": each.letter, "text": each.text} for each in asked.options]
        )

    def _repr_mimebundle_(self, **_: object) -> Bundle:
        """The widget for a live page, the options for all others."""
        data, metadata = super()._repr_mimebundle_()
        options = "\n".join(f"{each.letter}) {each.text}" for each in self.asked.options)
        return data | {"text/plain": options}, metadata

    def cover(self, outputs: list[Bundle]) -> None:
        """Show the outputs, covered; or as they are, when the choice was made meanwhile."""
        # Messages may be handled in another thread while the cell runs.
        with self._deciding:
            self.running = False
            for data, metadata in outputs:
                if self.outcome:
                    display(data, metadata=metadata, raw=True)
                    continue
                name = uuid.uuid4().hex
                # A front end without widgets shows plain text, and there nothing is covered.
                covered = {
                    "text/plain": data.get("text/plain", ""),
                    "text/html": "" if self._covers else COVER,
                }
                display(covered, raw=True, display_id=name)
                self._covers[name] = (data, metadata)

    def hear(self, message: dict) -> None:
        """The choice: ``{"chosen": LETTER}``, empty for "skip". The first one counts."""
        with self._deciding:
            if self.outcome:
                return
            outcome = {"chosen": message["chosen"], "right": False, "note": ""}
            if message["chosen"]:
                option = self.asked.option(message["chosen"])
                outcome |= {"right": option.right, "note": option.note}
                try:
                    answers.note(answers.GUESSES, self.lesson, self.asked, option.letter)
                except (Busy, OSError) as error:
                    self.trouble = f"Your prediction could not be written down. {error}"
            for name, (data, metadata) in self._covers.items():
                update_display(data, metadata=metadata, raw=True, display_id=name)
            self.outcome = outcome


def covered(ipython, lesson: str, asked: Asked, cell: str) -> None:
    """Run a cell, its output covered until the prediction is made or skipped."""
    prediction = Prediction(lesson, asked)
    display(prediction)
    try:
        with capture_output() as captured:
            ipython.run_cell(cell)
    finally:
        prediction.cover(_bundles(captured))


def _bundles(captured) -> list[Bundle]:
    texts = [({"text/plain": text}, {}) for text in (captured.stdout, captured.stderr) if text]
    # A formatted value has no metadata, or None.
    return texts + [(dict(each.data), dict(each.metadata or {})) for each in captured.outputs]
