"""The IPython extension of the course: ``%load_ext dockyard``.

It replaces the runners of ``!`` lines and ``%%bash`` cells (cell_commands.py) and defines the
magics ``%lesson`` and ``%tidy``, which begin and end a lesson, ``%check``, which looks at its
tasks, ``%wait``, ``%lab``, which begins a lab, ``%drill``, ``%terminal``, ``%%trace``, those of the
quiz package, ``%quiz``, ``%%predict`` and ``%progress``, and for a classroom ``%share`` and
``%help``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from dockyard import cleanup, course, preparation, registry
from dockyard.core import classroom_file, docker_client, full_disk, paths, umask
from dockyard.exceptions import UnwritableFolder, UsageError
from dockyard.labs import attempt as attempts
from dockyard.lessons import lesson_catalog, lesson_check, visit
from dockyard.notebook import cell_commands, terminal_magic, wait_magic
from dockyard.notebook.cell_commands import CellCommands
from dockyard.notebook.work_recorder import WorkRecorder
from dockyard.quiz import quiz_magic
from dockyard.quiz.quiz_magic import is_interactive
from dockyard.sharing import share_magic
from dockyard.trace import trace_magic

if TYPE_CHECKING:
    from dockyard.panels.drill_panel import DrillPanel
    from dockyard.panels.lab_panel import LabPanel


def load(ipython: InteractiveShell) -> None:
    """Install the extension in an IPython shell."""
    magics = LessonMagics(ipython)
    magics.commands.install()
    register = ipython.magics_manager.register_function
    register(magics.begin, "line", "lesson")
    register(magics.check, "line", "check")
    register(magics.wait, "line", "wait")
    register(magics.lab, "line", "lab")
    register(magics.drill, "line", "drill")
    register(magics.tidy, "line", "tidy")
    register(magics.terminal, "line", "terminal")
    trace_magic.register(ipython)
    quiz_magic.register(ipython, lambda: magics.lesson)
    share_magic.register(ipython, magics.page)
    for name in docker_client.UNSET:
        os.environ.pop(name, None)
    os.environ.update(course.environment())
    umask.let_containers_read()
    # A page that was loaded again may still write to a view of before: nothing for a learner to do.
    logging.getLogger("Comm").addHandler(logging.NullHandler())


def unload(ipython: InteractiveShell) -> None:
    """Restore IPython's own runners."""
    cell_commands.uninstall(ipython)


class LessonMagics:
    """The magics that begin and end a lesson or a lab."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.commands = CellCommands(shell, self.permit)
        self.recorder = WorkRecorder(shell)
        self.lesson: str | None = None
        self.attempt: attempts.Attempt | None = None
        self.visit: attempts.Attempt | None = None
        self.practice: DrillPanel | None = None
        self.panel: LabPanel | None = None
        self.environment = dict(os.environ)
        """The environment of the kernel before this course changed it."""
        self.broken = False
        """Whether a lesson or lab could not begin in this kernel."""

    def page(self) -> str:
        """The page that has begun here, such as ``labs/03-containers``; empty before that."""
        begun = self.attempt or self.visit
        return f"{begun.lab.SECTION}/{begun.lab.name}" if begun else ""

    def permit(self, command: str = "") -> None:
        """Raise UsageError when the lesson could not begin, so that no command runs.

        The objects that it made would not carry the lesson's label, so ``%tidy`` would never find
        them. Without a configuration, docker would reach the learner's own daemon: one that is
        gone is written anew, or UnwritableFolder raised. A command of the course itself, which may
        bring back what the lesson needs, always runs. While the course is set up for the first
        time, a command waits for the images that it names.
        """
        if self.broken and "-m dockyard" not in command:
            raise UsageError(
                "The lesson could not begin, so nothing was run.",
                next="Run the first cell again; it says what is missing.",
            )
        preparation.wait_for_command(command)
        try:
            docker_client.repair(self.lesson)
        except OSError as error:
            raise full_disk.explain(error) or UnwritableFolder(
                paths.docker_config(self.lesson), f"{error.strerror}."
            ) from None

    @contextmanager
    def _beginning(self) -> Iterator[None]:
        self.broken = True
        yield
        self.broken = False

    def begin(self, line: str) -> None:
        """``%lesson NAME``: connect to the daemon, set the scene, or go on where it was left.

        With ``--fresh``, remove what an earlier run made and begin anew.
        """
        words = line.split()
        names = [word for word in words if word != "--fresh"]
        if len(names) != 1 or names[0].startswith("-"):
            self.broken = True
            raise UsageError(
                "Say which lesson this is.", next="For example:  %lesson 08-registries"
            )
        (name,) = names
        with self._beginning():
            # What a visit that goes on has added stays. Refuses a name that is a path.
            docker_client.write_config(name, keep=name in lesson_catalog.names())
            preparation.wait_for_lesson(name, lesson_catalog.load(name).scene)
            os.environ.update(course.environment(name))
            if name not in lesson_catalog.names():
                with closing(docker_client.connect()) as daemon:
                    cleanup.remove(daemon, lesson=name)
                self.visit, goes_on = None, False
            else:
                here = self.commands.first_folder
                self.visit, goes_on = visit.begin(
                    name, here, fresh="--fresh" in words, counts=is_interactive(self.shell)
                )
                os.chdir(self.visit.work)
        self.lesson, self.attempt, self.recorder.attempt = name, None, None
        if goes_on:
            print("Ready. What you made in this lesson is still there; to begin anew:", end="  ")
            print(f"%lesson {name} --fresh")
        else:
            print(
                f"Ready. A Docker daemon answers, and nothing is left of an earlier run of {name}."
            )
            # Not in stored outputs: it depends on where the course got its images.
            if quiz_magic.is_interactive(self.shell):
                self._say_whose_images_are_used(name)
        self._say_what_the_teacher_says()

    def _say_whose_images_are_used(self, name: str) -> None:
        used = [image.reference for image in preparation.named_by(name)]
        if remark := registry.remark(used):
            print(remark)

    def _say_what_the_teacher_says(self) -> None:
        if is_interactive(self.shell) and (news := classroom_file.news()):
            print(news)

    def check(self, line: str) -> None:
        """``%check [TASK…]``: look at tasks of the lesson; ``--hint`` gives a hint instead."""
        if not self.visit:
            raise UsageError("No lesson with tasks has begun here.", next="Run the first cell.")
        words = line.split()
        print(
            lesson_check.report(self.visit, [w for w in words if w != "--hint"], "--hint" in words)
        )
        self._say_what_the_teacher_says()

    def wait(self, line: str) -> None:
        """``%wait NAME STATE``, ``%wait URL``, ``%wait docker …``: see wait_magic.py."""
        self.permit()
        print(wait_magic.until(line))

    def lab(self, line: str) -> None:
        """``%lab NAME``: begin or resume a lab; defines ``check`` and ``hint``."""
        from dockyard.labs import lab_magic

        with self._beginning():
            self.attempt = lab_magic.begin(line, self.shell.user_ns)
            self.visit = None
        self.lesson = self.attempt.lesson
        self.recorder.attempt = self.attempt if self.attempt.is_learners else None
        self._say_what_the_teacher_says()
        if self.panel:
            self.panel.close()
        # A program that runs the page, such as nbclient, sees text only.
        if self.attempt.is_learners and is_interactive(self.shell):
            from dockyard.panels.lab_panel import LabPanel

            self.panel = LabPanel(self.attempt)
            display(self.panel)

    def drill(self, line: str) -> None:
        """``%drill [DRILL…]``: practise what is due, or these drills, or those of a lesson.

        With ``--streak on``, count the days in a row on which you practise.
        """
        from dockyard.panels import drill_magic

        if self.practice:
            self.practice.close()
        self.practice = drill_magic.begin(line, self.lesson, is_interactive(self.shell))

    def tidy(self, line: str) -> None:
        """``%tidy``: remove the objects with this lesson's label, and those of a drill."""
        if self.practice:
            self.practice.end()
            self.practice = None
            if self.lesson is None:
                print("The drill has ended, and what it made is removed.")
                return
        if self.lesson is None:
            raise UsageError("No lesson has begun here.", next="Run the first cell.")
        if self.attempt:
            self.recorder.attempt = None
            print(attempts.finish(self.attempt))
            return
        with closing(docker_client.connect()) as daemon:
            print(cleanup.remove(daemon, lesson=self.lesson))
        if self.visit:
            visit.end(self.visit)

    def terminal(self, _: str) -> None:
        """``%terminal``: open a terminal with the settings and in the folder of this lesson.

        It gets the variables that this notebook has set in its environment, too.
        """
        changed = {
            name: value for name, value in os.environ.items() if self.environment.get(name) != value
        }
        if self.attempt:
            folder, variables = self.attempt.work, self.attempt.environment()
        else:
            here = self.commands.folder()
            own = here / "work" / self.lesson if self.lesson else here
            folder = self.visit.work if self.visit else own
            variables = course.environment(self.lesson)
        title = self.lesson or "course"
        try:
            command = terminal_magic.prepare(title, folder, changed | variables)
        except OSError as error:
            raise full_disk.explain(error) or UnwritableFolder(
                error.filename or folder, f"{error.strerror}."
            ) from None
        print(terminal_magic.open_beside(title, command))
