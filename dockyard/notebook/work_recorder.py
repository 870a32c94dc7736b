"""Records the cells that a learner runs at a lab (dockyard/labs/work_record.py)."""

from __future__ import annotations

import re
import time
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from dockyard.labs import work_record
from dockyard.labs.attempt import Attempt
from dockyard.labs.work_record import Step

ASKS = re.compile(r"\s*(#.*|(check|hint|case)\(.*\)|%(lab|tidy|load_ext|progress|quiz)\b.*)?")
"""A line that does nothing to the daemon, or what a replay does by itself."""


class WorkRecorder:
    """The events of an IPython shell in which a lab may have begun."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.attempt: Attempt | None = None
        """The learner's own attempt that is on; None when there is none."""
        self._lab = ""
        self._began = 0.0
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)

    def _before(self, _info: Any) -> None:
        # The cell with %lab is none of its steps.
        self._lab = self.attempt.lab.name if self.attempt else ""
        self._began = time.time()

    def _after(self, result: Any) -> None:
        code = result.info.raw_cell
        if not self._lab or not result.info.store_history:
            return
        if all(ASKS.fullmatch(line) for line in code.splitlines()):
            return
        interrupted = isinstance(result.error_in_exec, KeyboardInterrupt)
        now = time.time()
        step = Step("cell", code, now, seconds=now - self._began, interrupted=interrupted)
        work_record.add(self._lab, step)
