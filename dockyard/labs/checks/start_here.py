"""Lab 00: start here."""

from __future__ import annotations

import re

from dockyard.labs.inspection import name_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief

NEVER_STARTED = "125"
"""The exit code of ``docker run`` when the daemon cannot create the container."""


def word(probe: Probe) -> str:
    """The file holds the word."""
    written = probe.file("word.txt")
    if probe["TOKEN"] not in written:
        raise NotYet(f"word.txt says {brief(written)!r}.")
    return f"word.txt says {probe['TOKEN']}."


def usage(probe: Probe) -> str:
    """The file holds the help."""
    written = probe.file("help.txt")
    if "docker run" not in written or "--name" not in written:
        raise NotYet(f"help.txt says {brief(written)!r}.")
    return "help.txt has the help about docker run."


def stopped(probe: Probe) -> str:
    """It has been stopped, and is still listed."""
    container = probe.container(probe["REST"])
    if container.status != "exited":
        raise NotYet(f"{container.name} is {container.status}.")
    return f"{container.name} is stopped, and kept."


def hello(probe: Probe) -> str:
    """The container has run, and is kept."""
    name = probe["HELLO"]
    probe.must_not_be_an_argument(name)
    container = probe.ended(name)
    probe.must_be_from(container, "hello-world:latest")
    return f"{name} has said hello, has ended, and is kept."


def page(probe: Probe) -> str:
    """The server answers with the learner's page."""
    name = probe["PAGE"]
    probe.must_not_be_an_argument(name)
    container = probe.serving(name, probe["PORT"], 80)
    probe.must_be_from(container, "nginx:latest")
    _, text = probe.reach(container, probe["PORT"], 80)
    if probe["TOKEN"] not in text:
        raise NotYet(f"The page of {name_of(container)} says {brief(text)!r}.")
    return f"The page of {name} says {probe['TOKEN']}."


def code(probe: Probe) -> str:
    """The file holds the exit code of that command, not of another one."""
    written = probe.file("code.txt")
    if NEVER_STARTED not in re.findall(r"\d+", written):
        zero = ", and 0 means that a command did what it was asked for"
        raise NotYet(
            f"code.txt says {brief(written)!r}{zero if written.strip() == '0' else ''}.",
            expected="the exit code of docker run when there is no image to run.",
        )
    return f"code.txt says {NEVER_STARTED}: docker run could not make a container."
