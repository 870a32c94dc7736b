"""The start of every command: find an environment that has the packages, then run the command.

Standard library only, because it runs before any package is installed.
"""

from __future__ import annotations

import os
import sys

from dockyard.core import paths, python_packages
from dockyard.exceptions import DockyardError


def main(arguments: list[str]) -> int:
    """Run the command line, in .venv where this Python lacks the packages."""
    try:
        # An interpreter that has the right versions is used as it is: Binder brings one along.
        if not python_packages.has_core():
            python_packages.ensure_core()
            if not python_packages.inside_venv():
                return _run_in_venv(arguments)
        from dockyard import cli
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return cli.main(arguments)


def _run_in_venv(arguments: list[str]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    python = str(python_packages.python())
    environment = {**os.environ, "PYTHONPATH": str(paths.CHECKOUT)}
    os.execve(python, [python, "-m", "dockyard", *arguments], environment)
    raise AssertionError("execve does not return")
