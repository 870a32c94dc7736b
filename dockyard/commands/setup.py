"""Sets up what ``learn``, ``engine start`` and ``test`` need: the engine and its images."""

from __future__ import annotations

from dockyard import course
from dockyard.core import setup_file
from dockyard.core.console import Say


def set_up(choice: str, say: Say, *, source: str = "auto") -> None:
    """Start the engine and bring its images; others can see how far it is (setup_file.py).

    source is as in registry.fill(). Progress of the first edition is carried over. Raises
    EngineError, RegistryError, SetupError, DiskFull or Busy.
    """
    # Of the commands that import this module, few set up anything.
    from dockyard.quiz import first_edition_progress

    course.prepare_home()
    first_edition_progress.carry_over(say)
    with setup_file.recording(say) as recorded:
        course.start(choice, recorded)
        course.fill(recorded, source=source)
