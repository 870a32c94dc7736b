"""What ``learn`` is still setting up while the learner reads, and waiting for it.

``learn`` opens JupyterLab first; another process starts the engine and brings the images. A lesson
waits only for the engine and for the images of its scene, and a command in a cell for those that it
names; a lab waits for all that its tasks name.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from dockyard import course
from dockyard.core import docker_client, paths, setup_file, wait
from dockyard.core.setup_file import SetupState
from dockyard.exceptions import DockyardError, EngineNotRunning, RegistryError
from dockyard.registry import server
from dockyard.registry.image_catalog import Image, images
from dockyard.registry.verify import is_complete

PATIENCE = 3600
"""Seconds until a lesson gives up, for a machine engine that has to be built first."""

WIDTH = 20

_PAGES = "notebooks/{}.ipynb"
_LESSONS = "dockyard/lessons/catalog/{}.toml"
_LABS = "dockyard/labs/catalog/{}.toml"


def wait_for_lesson(name: str, scene: str = "") -> None:
    """Wait until the daemon answers and the images with which a lesson begins are there.

    name is its whole name, such as 08-registries; scene is its shell commands. Prints what is being
    done, in one line that changes. Raises the error with which the set-up failed, or
    EngineNotRunning when there is none to wait for.
    """
    _wait_for(name, lambda: _beginning(name, scene))


def wait_for_lab(name: str) -> None:
    """The same for a lab and all that its tasks name."""
    _wait_for(f"lab {name}", lambda: _text(_LABS, name))


def wait_for_command(command: str) -> None:
    """The same for a shell command, as long as a set-up runs."""
    if setup_file.is_running() and (needed := _named_in(command)):
        _until_ready("this command", needed)


def _wait_for(what: str, text: Callable[[], str]) -> None:
    if not setup_file.is_running() and not SetupState.load().failure and course.State.load():
        course.raise_if_broken()
        return
    _until_ready(what, _named_in(text()))


def _until_ready(what: str, needed: list[Image]) -> None:
    shown = _Line()
    wait.until(
        f"the engine and the images of {what}",
        lambda: _is_ready(needed, shown),
        PATIENCE,
        interval=0.3,
        error=EngineNotRunning,
    )
    shown.clear()


def named_by(page: str) -> list[Image]:
    """The images that a lesson and the lab of the same name mention."""
    return _named_in("\n".join(_text(file, page) for file in (_PAGES, _LESSONS, _LABS)))


def _named_in(text: str) -> list[Image]:
    return [image for image in images() if _is_named(image, text)]


def _is_ready(needed: list[Image], shown: Callable[[str], None]) -> bool:
    # In this order: a set-up that ends between the two questions has done what it does.
    running = setup_file.is_running()
    missing = _missing(needed) if (answers := course.answers()) else needed
    if answers and not missing:
        return True
    state = SetupState.load()
    if running:
        total = len(needed) + 1
        done = total - len(missing) - (not answers)
        filled = WIDTH * done // total
        shown(f"{'█' * filled}{'░' * (WIDTH - filled)} Getting ready: {state.line or 'the engine'}")
        return False
    if state.failure:
        raise DockyardError(*state.failure)
    course.raise_if_broken()
    # Nobody brings what is missing; Docker's own message says which image it is.
    return True


def report() -> dict[str, Any]:
    """The state of the set-up for JupyterLab's side bar; share is from 0 to 1."""
    state, running = SetupState.load(), setup_file.is_running()
    share = 1.0
    if running:
        answers = course.answers()
        missing = len(_missing(list(images()))) if answers else len(images())
        share = 1 - (missing + (not answers)) / (len(images()) + 1)
    return {
        "running": running,
        "line": state.line,
        "share": share,
        "failure": [each for each in state.failure or () if each],
    }


def _text(place: str, page: str) -> str:
    """The file of a page in one of three places; empty if there is none."""
    file = paths.CHECKOUT / place.format(page)
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _beginning(lesson: str, scene: str) -> str:
    """The scene of a lesson and its cells, without those that are commands and wait themselves."""
    cells = json.loads(_text(_PAGES, lesson) or '{"cells": []}')["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    others = [source for source in code if not source.startswith(("!", "%%bash"))]
    return "\n".join([scene, *others])


def _is_named(image: Image, text: str) -> bool:
    """Whether a text names an image: with one of its tags, or alone where that means ``latest``."""
    tags = "|".join(map(re.escape, image.tags))
    alone = rf"|{image.name}(?![\w:/.-])" if "latest" in image.tags else ""
    return re.search(rf"(?<![\w/.-])(?:{image.name}:(?:{tags})(?![\w.-]){alone})", text) is not None


def _missing(needed: list[Image]) -> list[Image]:
    """The images that cannot be run yet."""
    state = course.State.load()
    if state is None:
        return needed
    with suppress(RegistryError):
        if state.mirror:
            registry = server.find()
            return [image for image in needed if not is_complete(registry, image)]
        with closing(docker_client.connect(untraced=True)) as daemon:
            there = {tag for image in daemon.api.images() for tag in image["RepoTags"] or ()}
        return [image for image in needed if image.reference not in there]
    return needed


class _Line:
    """A line of a cell's output that replaces the one before."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, text: str) -> None:
        if text != self._last:
            # The spaces cover what is left of a longer line.
            sys.stdout.write(f"\r{text.ljust(len(self._last))}")
            sys.stdout.flush()
            self._last = text

    def clear(self) -> None:
        """Remove the line."""
        if self._last:
            sys.stdout.write(f"\r{' ' * len(self._last)}\r")
            sys.stdout.flush()
