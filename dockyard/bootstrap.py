"""Runs every command in an environment that has the course's packages.

Standard library only, because it runs before any package is installed.
"""

from __future__ import annotations

import os
import sys

from dockyard.core import python_packages
from dockyard.exceptions import DockyardError


def main(arguments: list[str]) -> int:
    """Run the command line, in .venv unless this Python has the packages."""
    try:
        # On Binder, in Codespaces and in a conda environment, this Python has them.
        if not python_packages.are_ready():
            python_packages.ensure_venv()
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
    os.execv(python, [python, "-m", "dockyard", *arguments])
    raise AssertionError("execv does not return")
