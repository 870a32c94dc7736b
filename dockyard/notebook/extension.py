"""The IPython extension of the course: ``%load_ext dockyard``.

It replaces the runner of ``!`` lines and ``%%bash`` cells (shell_runner.py) and defines the magics
``%lesson`` and ``%tidy``, which begin and end a lesson, ``%lab``, which begins a lab, ``%%trace``,
and those of the quiz package: ``%quiz``, ``%%predict`` and ``%progress``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from IPython.core.interactiveshell import InteractiveShell

from dockyard import cleanup, course
from dockyard.core import docker_client
from dockyard.exceptions import UsageError
from dockyard.labs import attempt as attempts
from dockyard.notebook import shell_runner
from dockyard.quiz import quiz_magic
from dockyard.trace import trace_magic


def load(ipython: InteractiveShell) -> None:
    """Install the extension in an IPython shell."""
    magics = LessonMagics(ipython)
    # In IPython, system is an alias that selects the runner of ! lines.
    ipython.system = magics.run  # type: ignore[method-assign]
    register = ipython.magics_manager.register_function
    bash = ipython.magics_manager.magics["cell"]["bash"]

    def run_script(line: str, cell: str) -> None:
        # Options of %%bash need IPython's own magic.
        if line.strip():
            bash(line, cell)
        else:
            magics.run(cell)

    register(run_script, "cell", "bash")
    register(magics.begin, "line", "lesson")
    register(magics.lab, "line", "lab")
    register(magics.tidy, "line", "tidy")
    trace_magic.register(ipython)
    quiz_magic.register(ipython, lambda: magics.lesson)
    for name in docker_client.UNSET:
        os.environ.pop(name, None)
    os.environ.update(course.environment())


def unload(ipython: InteractiveShell) -> None:
    """Restore IPython's own runner."""
    ipython.system = ipython.system_piped  # type: ignore[method-assign]


class LessonMagics:
    """The magics that begin and end a lesson or a lab, and the runner of its commands."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.lesson: str | None = None
        self.attempt: attempts.Attempt | None = None
        self.broken = False
        """Whether a lesson or lab could not begin in this kernel."""

    def run(self, command: str) -> None:
        """Run a shell command. Raises UsageError when the lesson could not begin.

        The objects that such a command makes would not carry the lesson's label, so ``%tidy``
        would never find them.
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

    def begin(self, line: str) -> None:
        """``%lesson NAME``: connect to the daemon and remove what an earlier run made."""
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

    def lab(self, line: str) -> None:
        """``%lab NAME``: begin or resume a lab; defines ``check`` and ``hint``."""
        from dockyard.labs import lab_magic

        with self._beginning():
            self.attempt = lab_magic.begin(line, self.shell.user_ns)
        self.lesson = self.attempt.lesson

    def tidy(self, line: str) -> None:
        """``%tidy``: remove the objects with this lesson's label."""
        if self.lesson is None:
            raise UsageError("No lesson has begun here.", next="Run the first cell.")
        if self.attempt:
            print(attempts.finish(self.attempt))
            return
        with closing(docker_client.connect()) as daemon:
            print(cleanup.remove(daemon, lesson=self.lesson))
