"""The commands of cells: ``!`` lines, ``x = !…``, ``%sx``, ``%system``, ``%%bash`` and ``%%sh``.

They take the place of IPython's own runners, with these differences:

- Python variables are inserted by the rules of expansion.py.
- A command that fails shows its exit code, and the hint for its mistake, if that is certain
  (command_hints.py). Only a front end in which a person types shows hints and remarks, so they are
  not stored when a notebook is run by a program.
- ``x = !command`` keeps standard output, as ``x=$(command)`` does in the shell; standard error is
  shown in the cell.
- An interrupt ends the command and the cell. ``command &`` returns at once.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import no_var_expand
from IPython.display import DisplayHandle
from IPython.utils.text import LSString, SList

from dockyard import course
from dockyard.exceptions import UsageError
from dockyard.notebook import command_hints, expansion, interruption, shell_runner
from dockyard.notebook.cell_output import Capture, CellOutput, Region
from dockyard.quiz.quiz_magic import is_interactive


def uninstall(shell: InteractiveShell) -> None:
    """Restore IPython's runners of ``!`` lines."""
    for name in ("system", "getoutput"):
        vars(shell).pop(name, None)


class CellCommands:
    """Runs the commands of the cells of an IPython shell.

    permit is called with each command before it runs, and raises an exception if it may not.
    """

    def __init__(self, shell: InteractiveShell, permit: Callable[[str], None]) -> None:
        self._shell = shell
        self._permit = permit
        self.first_folder = Path.cwd()
        """The folder of the notebook, in which its kernel was started."""

    def install(self) -> None:
        """Replace IPython's runners."""
        # In IPython, system is an alias that selects the runner of ! lines.
        self._shell.system = self.system  # type: ignore[method-assign]
        self._shell.getoutput = self.getoutput  # type: ignore[method-assign]
        register = self._shell.magics_manager.register_function
        register(self.bash, "cell", "bash")
        register(self.sh, "cell", "sh")
        for name in ("sx", "system"):
            register(self.capture, "line_cell", name)
        register(self.capture, "cell", "!")

    def system(self, command: str) -> None:
        """``!command``: run it and show its output."""
        self._run(self._expand(command, sys._getframe(1)))

    def getoutput(self, command: str, split: bool = True, depth: int = 0) -> SList | LSString:
        """``x = !command``: run it and return the lines of its standard output.

        Without split, they are one string. depth is the number of frames above the caller in
        which the command's variables are.
        """
        captured = Capture()
        self._run(self._expand(command, sys._getframe(depth + 1)), captured)
        text = captured.text()
        return SList(text.splitlines()) if split else LSString(text)

    @no_var_expand
    def capture(self, line: str, cell: str | None = None) -> SList | None:
        """``%sx command``, ``%%sx [--out NAME]``: as ``x = !command``."""
        # Above this frame is the one of run_line_magic.
        if cell is None:
            return self.getoutput(line, depth=2)  # type: ignore[return-value]
        found = self.getoutput(cell, depth=2)
        words = line.split()
        if words[:1] in (["--out"], ["-o"]) and len(words) == 2:
            self._shell.user_ns[words[1]] = found
            return None
        return found  # type: ignore[return-value]

    def bash(self, line: str, cell: str) -> None:
        """``%%bash``: run the cell in one shell. Options, such as ``--bg``, are IPython's."""
        self._script("bash", shell_runner.SHELL, line, cell)

    def sh(self, line: str, cell: str) -> None:
        """``%%sh``: as ``%%bash``, with /bin/sh."""
        self._script("sh", "/bin/sh", line, cell)

    def _script(self, name: str, shell: str, line: str, cell: str) -> None:
        if not line.strip():
            self._run(cell, shell=shell)
            return
        self._check(cell)
        self._shell.run_cell_magic("script", f"{name} {line}", cell)

    def _expand(self, command: str, frame: Any) -> str:
        names = _Names(self._shell, frame)
        found = expansion.expand(command, names, os.environ)
        for remark in found.remarks:
            self._tell(remark)
        return found.command

    def folder(self) -> Path:
        """The folder in which commands run. Raises UsageError when it has been removed."""
        try:
            return Path.cwd()
        except FileNotFoundError:
            raise UsageError(
                "The folder in which this notebook works has been removed, so no command can run.",
                next=f"Go to another one:  %cd {shlex.quote(str(self.first_folder))}",
            ) from None

    def _check(self, command: str) -> None:
        self._permit(command)
        self.folder()

    def _run(
        self, command: str, capture: Capture | None = None, shell: str = shell_runner.SHELL
    ) -> None:
        self._check(command)
        interactive = is_interactive(self._shell)
        if interactive and (hint := command_hints.before(command)):
            self._tell(hint)
        output = CellOutput(_region if interactive else None)
        began = time.monotonic()
        outcome = shell_runner.run(command, output, capture=capture, shell=shell)
        self._shell.user_ns["_exit_code"] = outcome.code
        if outcome.code:
            print(f"[exit code {outcome.code}]")
        if outcome.interrupted:
            seconds = time.monotonic() - began
            raise interruption.explain(command, seconds, killed=outcome.killed)
        if outcome.group:
            self._tell(f"It runs in the background. To stop it:  !kill -- -{outcome.group}")
        elif interactive:
            written = output.tail()
            names = self._shell.user_ns.keys()
            run = command_hints.Finished(command, outcome.code, written, os.environ, names)
            if hint := self._why_docker_failed(command, outcome.code) or command_hints.after(run):
                self._tell(hint)

    def _why_docker_failed(self, command: str, code: int) -> str | None:
        """The part of the course that a docker command missed, and how to bring it back."""
        if code and "docker" in command and (gone := course.missing_part()):
            return f"{gone} is gone. Bring it back:  !python3 -m dockyard engine start"
        return None

    def _tell(self, text: str) -> None:
        """Show a remark to a person."""
        if is_interactive(self._shell):
            print(f"→ {text}")


class _Names(Mapping[str, Any]):
    """The variables that a cell's code sees, without those that IPython has put there."""

    def __init__(self, shell: InteractiveShell, frame: Any) -> None:
        self._globals = shell.user_ns
        self._hidden = shell.user_ns_hidden
        # A function of the notebook has variables of its own.
        inside = frame.f_globals is shell.user_ns and frame.f_locals is not shell.user_ns
        self._locals = frame.f_locals if inside else {}

    def __getitem__(self, name: str) -> Any:
        if name in self._locals:
            return self._locals[name]
        value = self._globals[name]
        if name in self._hidden and self._hidden[name] is value:
            raise KeyError(name)
        return value

    def __iter__(self) -> Any:
        return (name for name in {**self._globals, **self._locals} if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _region() -> Region:
    """A place in the cell's output whose text can be replaced."""
    handle: DisplayHandle | None = None

    def show(text: str) -> None:
        nonlocal handle
        content = {"text/plain": text}
        if handle is None:
            handle = DisplayHandle()
            handle.display(content, raw=True)
        else:
            handle.update(content, raw=True)

    return show
