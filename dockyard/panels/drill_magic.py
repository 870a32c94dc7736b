"""``%drill`` in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from IPython.display import display

from dockyard.drills import drill_catalog, practice
from dockyard.drills.practice import Practice
from dockyard.exceptions import UsageError

if TYPE_CHECKING:
    from dockyard.panels.drill_panel import DrillPanel


def begin(line: str, lesson: str | None, interactive: bool) -> DrillPanel | None:
    """Run ``%drill [DRILL…] [--streak on|off]`` and show the panel.

    Where nobody can work, such as in nbconvert, only the counts are printed, and nothing begins.
    Raises UsageError, EngineNotRunning or SceneFailed.
    """
    words = line.split()
    if "--streak" in words:
        at = words.index("--streak")
        wanted = words[at + 1 : at + 2]
        if wanted not in (["on"], ["off"]):
            raise UsageError("Say on or off.", next="For example:  %drill --streak on")
        practice.keep_streak(wanted == ["on"])
        del words[at : at + 2]
    only = [drill for word in words for drill in drill_catalog.choose(word)]
    begun = Practice(Path.cwd(), only, lesson or "")
    if not interactive:
        print(begun.counts())
        return None
    from dockyard.panels.drill_panel import DrillPanel

    panel = DrillPanel(begun)
    display(panel)
    return panel
