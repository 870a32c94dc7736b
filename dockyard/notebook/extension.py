"""The notebook extension: ``%load_ext dockyard``.

It replaces the runner of ``!`` lines and of ``%%bash`` cells (see shell.py) and brings the
magics ``%lesson`` and ``%tidy``, which frame a lesson, ``%lab``, which frames a lab,
``%%trace``, and those of questions/: ``%quiz``, ``%%predict``, ``%progress``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from IPython.core.magic import Magics, line_magic, magics_class

from dockyard import cleanup, course
from dockyard.core import docker_client
from dockyard.exceptions import UsageError
from dockyard.notebook import shell_runner
from dockyard.quiz import quiz_magic as questions
from dockyard.trace import trace_magic as trace


def load(ipython) -> None:
    """Install the extension into an IPython shell."""
    lesson = LessonMagics(ipython)
    ipython.system = lesson.run
    scripts = ipython.magics_manager.magics["cell"]["bash"]
    ipython.register_magic_function(
        lambda line, cell: scripts(line, cell) if line.strip() else lesson.run(cell),
        "cell",
        "bash",
    )
    ipython.register_magics(lesson)
    trace.register(ipython)
    questions.register(ipython, lambda: lesson.lesson)
    for name in docker_client.UNSET:
        os.environ.pop(name, None)
    os.environ.update(course.environment())


def unload(ipython) -> None:
    """Give IPython its own runner back."""
    ipython.system = ipython.system_piped


@magics_class
class LessonMagics(Magics):
    """The frame around a lesson."""

    lesson: str | None = None
    attempt = None
    broken = False
    """Whether a lesson or lab was to begin here and could not."""

    def run(self, command: str) -> None:
        """Run a shell command. Raises UsageError in a kernel whose lesson could not begin.

        Without its frame, what the command makes would not carry the lesson's label, and no
        ``%tidy`` would ever find it.
        """
        if self.broken:
            raise UsageError(
                "The lesson could not begin, so nothing was run.",
                next="Run the first cell again; it says what is missing.",
            )
        self.shell.user_ns["_exit_code"] = shell_runner.run(command)

    @contextmanager
    def _beginning(self) -> Iterator[None]:
        self.broken = True
        yield
        self.broken = False

    @line_magic("lesson")
    def begin(self, line: str) -> None:
        """``%lesson NAME``: connect to the daemon and start from a clean scene.

        What an earlier run of the same lesson made is removed, by its label.
        """
        name = line.strip()
        if not name:
            self.broken = True
            raise UsageError(
                "Say which lesson this is.", next="For example:  %lesson 05-registries"
            )
        with self._beginning():
            docker_client.write_config(name)
            os.environ.update(course.environment(name))
            with closing(docker_client.connect()) as daemon:
                cleanup.remove(daemon, lesson=name)
        self.lesson, self.attempt = name, None
        print(f"Ready. A Docker daemon answers, and nothing is left of an earlier run of {name}.")

    @line_magic("lab")
    def lab(self, line: str) -> None:
        """``%lab NAME``: begin or resume a lab; brings ``check`` and ``hint``."""
        from dockyard.labs import lab_magic

        with self._beginning():
            self.attempt = lab_magic.begin(line, self.shell.user_ns)
        self.lesson = self.attempt.lesson

    @line_magic("tidy")
    def tidy(self, line: str) -> None:
        """``%tidy``: remove what this lesson made, by its label, and nothing else."""
        if self.lesson is None:
            raise UsageError("No lesson has begun here.", next="Run the first cell.")
        if self.attempt:
            from dockyard.labs import attempt

            print(attempt.finish(self.attempt))
            return
        with closing(docker_client.connect()) as daemon:
            print(cleanup.remove(daemon, lesson=self.lesson))
