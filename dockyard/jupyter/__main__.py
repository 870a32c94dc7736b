"""``python3 -m dockyard.jupyter``: prepares a Jupyter that something else starts.

Binder, hubs and Codespaces start Jupyter themselves. This brings the learner's copy up to date and
prints the variables with which their server opens it, as shell commands for ``eval``.
"""

from __future__ import annotations

import shlex
import sys

from dockyard import course
from dockyard.core.console import say
from dockyard.exceptions import DockyardError
from dockyard.jupyter import jupyter_environment
from dockyard.learner_copy import course_folder


def main() -> int:
    """Prepare the copy and print the variables; return 1 with a message when that fails."""
    try:
        course.prepare_home()
        course_folder.update(say)
        variables = jupyter_environment.prepare() | course.environment()
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"unset {' '.join(jupyter_environment.UNSET)}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
