"""Runs ``python -m dockyard`` and ``docker`` as a learner does."""

import os
import subprocess
import sys

from dockyard import course
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


def docker(*words, check=True, stdin=None):
    """Run a docker command on the course's daemon; return its output, or the error if it failed.

    With check, it must succeed. stdin are bytes.
    """
    done = subprocess.run(
        ["docker", *words],
        input=stdin,
        capture_output=True,
        env=course.whole_environment(),
        cwd=paths.CHECKOUT,
        check=False,
    )
    assert done.returncode == 0 or not check, done.stderr.decode()
    return (done.stdout if done.returncode == 0 else done.stderr).decode()
