"""Runs ``python -m dockyard`` as a learner does."""

import os
import subprocess
import sys

from dockyard.core import paths


def run(*words, home=None, checkout=paths.CHECKOUT, **variables):
    """Run a command to its end. The variables that choose a daemon are unset by default."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), **variables}
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if name not in variables:
            environment.pop(name, None)
    if home:
        environment["DOCKYARD_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "dockyard", *words],
        capture_output=True, text=True, env=environment, cwd=checkout,
        stdin=subprocess.DEVNULL, timeout=300, check=False,
    )  # fmt: skip
