"""A lab in a notebook: its tasks, what the daemon shows now of each, and hints."""

from __future__ import annotations

from dataclasses import asdict

from traitlets import Dict, Int, List, Unicode

from dockyard.labs.attempt import Attempt
from dockyard.labs.task_board import TaskBoard
from dockyard.panels.ticking_panel import TickingPanel

ELSEWHERE = "This attempt has ended. To go on, run this cell again."


class LabPanel(TickingPanel):
    """The tasks of a learner's attempt at a lab; those that are done stay ticked."""

    title = Unicode().tag(sync=True)
    tasks = List(
        Dict(), help="Each task: name, title, goal, done, said (in one sentence), hints."
    ).tag(sync=True)
    count = Int(help="How many tasks are done.").tag(sync=True)
    announced = Unicode(help="What has been ticked last, in words.").tag(sync=True)

    def __init__(self, attempt: Attempt) -> None:
        self._board = TaskBoard(attempt)
        super().__init__(title=f"Lab: {self._board.lab.title}")
        self._show()

    def static_data(self) -> dict[str, str]:
        """The tasks as text."""
        lines = [f"{self.title}. {self.count} of {len(self.tasks)} tasks done."]
        lines += [f"{'✔' if each['done'] else '○'} {each['title']}" for each in self.tasks]
        return {"text/plain": "\n".join(lines)}

    def look(self) -> None:
        """Judge the tasks that are not done when something has happened."""
        self._board.look()
        self._show()

    def act(self, message: dict[str, str]) -> None:
        """Give the next hint for a task: ``{"hint": NAME}``."""
        self._board.hint(message["hint"])
        self._show()

    def _show(self) -> None:
        board = self._board
        with self.hold_sync():
            self.tasks = [asdict(task) for task in board.tasks]
            self.count = board.count
            self.announced = ELSEWHERE if board.has_ended else board.announced
            self.done = board.has_ended
