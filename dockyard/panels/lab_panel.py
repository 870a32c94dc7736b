"""A lab in a notebook: its tasks, what the daemon shows of them, and hints."""

from __future__ import annotations

from traitlets import Dict, Int, List, Unicode

from dockyard.core import progress_file
from dockyard.labs import attempt as attempts
from dockyard.labs import hints, lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.follower import Follower
from dockyard.labs.lab_catalog import Lab
from dockyard.labs.verdict import Verdict
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
        assert isinstance(attempt.lab, Lab)
        self.lab, self.attempt = attempt.lab, attempt
        self._follower = Follower(attempt)
        self._verdicts: dict[str, Verdict] = {}
        self._hints: dict[str, list[str]] = {}
        super().__init__(title=f"Lab: {self.lab.title}")
        self._show()

    def static_data(self) -> dict[str, str]:
        """The tasks as text."""
        lines = [f"{self.title}. {self.count} of {len(self.tasks)} tasks done."]
        lines += [f"{'✔' if each['done'] else '○'} {each['title']}" for each in self.tasks]
        return {"text/plain": "\n".join(lines)}

    def look(self) -> None:
        """Judge the tasks that are not done when something has happened."""
        if self.attempt != attempts.current(self.lab):
            self.announced, self.done = ELSEWHERE, True
            return
        # What a cell, a terminal or the side bar has ticked is in the progress file.
        done = self._done()
        wanted = [task.name for task in self.lab.tasks if task.name not in done]
        for verdict in self._follower.look(wanted):
            self._verdicts[verdict.task] = verdict
        self._show()

    def act(self, message: dict[str, str]) -> None:
        """Give the next hint for a task: ``{"hint": NAME}``."""
        name = message["hint"]
        given = self._hints.setdefault(name, [])
        hint = hints.hint(self.attempt, name)
        if hint not in given:
            given.append(hint)
        self._show()

    def _done(self) -> list[str]:
        return lab_catalog.done_of(self.lab, progress_file.read())

    def _show(self) -> None:
        done = self._done()
        before = {each["name"] for each in self.tasks if each["done"]}
        new = [name for name in done if name not in before] if self.tasks else []
        with self.hold_sync():
            self.tasks = [
                {
                    "name": task.name,
                    "title": task.title,
                    "goal": self.attempt.fill(task.goal).strip(),
                    "done": task.name in done,
                    "said": self._said(task.name),
                    "hints": list(self._hints.get(task.name, ())),
                }
                for task in self.lab.tasks
            ]
            self.count = len(done)
            if new:
                self.announced = f"Done: {', '.join(new)}. {len(done)} of {len(self.tasks)}."

    def _said(self, name: str) -> str:
        verdict = self._verdicts.get(name)
        if not verdict:
            return ""
        why = f" {verdict.mistake.title}: {verdict.mistake.why}" if verdict.mistake else ""
        how = f" {verdict.expected}" if verdict.expected.startswith("Begin it.") else ""
        return f"{verdict.saw}{why}{how}"
