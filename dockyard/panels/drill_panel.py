"""A drill in a notebook: its goal, what the daemon shows of it, and buttons."""

from __future__ import annotations

from traitlets import Unicode

from dockyard.drills.practice import ELSEWHERE, Practice
from dockyard.panels.ticking_panel import TickingPanel

WITHOUT_BUTTONS = (
    "This editor shows no widgets. In a terminal, drills tick by themselves:\n"
    "    python3 -m dockyard drill"
)
NOTHING = "Nothing is due now, and there is no new drill. Choose one:  %drill NAME"


class DrillPanel(TickingPanel):
    """The drill at hand of a practice."""

    name = Unicode(help="The drill's name; empty when there is none.").tag(sync=True)
    lesson = Unicode(help="The lesson whose subject it practises.").tag(sync=True)
    goal = Unicode().tag(sync=True)
    state = Unicode("ended", help="not yet, done or ended.").tag(sync=True)
    said = Unicode(help="What the daemon shows, in one sentence.").tag(sync=True)
    way = Unicode(help="The solution, once it was asked for.").tag(sync=True)
    counts = Unicode(help="All drills so far, in one line.").tag(sync=True)

    def __init__(self, practice: Practice) -> None:
        self.practice = practice
        super().__init__()
        self._go_on()

    def static_data(self) -> dict[str, str]:
        """The drill as text."""
        return {"text/plain": f"Drill {self.name}: {self.goal}\n{WITHOUT_BUTTONS}"}

    def look(self) -> None:
        """Judge the drill; notice one that was begun elsewhere."""
        if self.practice.is_another_at_hand():
            self._end(ELSEWHERE)
        elif self.practice.look():
            self._show()

    def act(self, message: dict[str, str]) -> None:
        """Go on, show the solution, or end: ``{"do": "next"}``, ``"show"``, ``"end"``."""
        if message["do"] == "next":
            self._go_on()
        elif message["do"] == "show":
            self.way = self.practice.show()
        elif message["do"] == "end":
            self._end(str(self.practice.end()))

    def end(self) -> None:
        """End the practice from outside, such as by ``%tidy``."""
        with self._looking:
            self._end(str(self.practice.end()))

    def _go_on(self) -> None:
        self.way = ""
        if not self.practice.next():
            self._end(NOTHING)
            return
        drill = self.practice.drill
        assert drill
        with self.hold_sync():
            self.name, self.lesson, self.goal = drill.task.name, drill.lesson, self.practice.goal
            self._show()

    def _show(self) -> None:
        verdict = self.practice.verdict
        assert verdict
        with self.hold_sync():
            self.state = "done" if verdict.done else "not yet"
            self.said = verdict.said
            self.counts = self.practice.counts()

    def _end(self, said: str) -> None:
        with self.hold_sync():
            self.state, self.said, self.way = "ended", said, ""
            self.counts = self.practice.counts()
