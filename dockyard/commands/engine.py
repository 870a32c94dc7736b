"""``engine start|stop|status|env``: manages the Docker engine without JupyterLab."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from dockyard import course
from dockyard.commands.setup import set_up
from dockyard.core import docker_client, paths
from dockyard.core.console import say


def run(options: argparse.Namespace) -> int:
    """Carry out one action; ``status`` returns 1 when no engine is running."""
    if options.action == "env":
        _print_environment(options.lab, as_json=options.json)
        return 0
    if options.action == "start":
        set_up(options.engine, say)
    elif options.action == "stop":
        course.stop(say)
    status = course.status()
    if options.json:
        print(json.dumps(status, indent=1))
    elif status["running"]:
        say(f"running: {status['engine']}, Docker {status['version']}, {status['docker_host']}")
        if status["remark"]:
            say(status["remark"])
    elif status["gone"]:
        say(f"{status['gone']} is gone; start it again:  python3 -m dockyard engine start")
    elif options.action == "stop":
        say("stopped; images, containers and volumes are kept")
    else:
        say("not running; start it:  python3 -m dockyard engine start")
    return 0 if status["running"] or options.action == "stop" else 1


def _print_environment(lab: str | None, *, as_json: bool) -> None:
    """Print shell commands for ``eval``, or JSON. Raises EngineNotRunning."""
    # A home without a running course may have no Docker configuration, and docker would then use
    # its default socket, which can be the learner's own daemon.
    course.raise_if_broken()
    variables = _variables(lab)
    if as_json:
        print(json.dumps({"set": variables, "unset": docker_client.UNSET}, indent=1))
        return
    print(f"unset {' '.join(docker_client.UNSET)}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def _variables(lab: str | None) -> dict[str, str]:
    if lab is None:
        return _of_this_folder() or course.environment()
    from dockyard.labs import attempt, lab_catalog

    return attempt.resume(lab_catalog.load(lab)).environment()


def _of_this_folder() -> dict[str, str]:
    """The variables of the lesson or lab that has begun and works in this folder; empty if none."""
    here, copy = Path.cwd(), paths.learner_copy()
    if here.parent == copy / "notebooks" / "work" and paths.docker_config(here.name).exists():
        return course.environment(here.name)
    if here.parent == copy / "labs" / "work":
        from dockyard.labs import attempt, lab_catalog

        if here.name in lab_catalog.names() and (
            begun := attempt.current(lab_catalog.load(here.name))
        ):
            return begun.environment()
    return {}
