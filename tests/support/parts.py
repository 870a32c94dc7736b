"""The parts of the tests that ``test`` runs side by side.

Most of the time tests wait: for containers, for a browser, for a download. So three run at once:
what needs an engine and the computer's network as it is; the lessons, on an engine and in a network
of their own; and what needs no engine, followed by labs, drills and commands, which have their own,
too.
Chromium belongs to the first: it drops its requests whenever a container's network comes or goes.
"""

from __future__ import annotations

import pytest
from nbval.plugin import IPyNbCell

from dockyard.commands import test
from dockyard.core import paths

ENGINE, LESSONS, LABS, REST = "engine", "lessons", "labs", "rest"
TESTS = paths.CHECKOUT / "tests"
PARTS = {
    paths.CHECKOUT / folder: part
    for part, folders in ((LESSONS, test.LESSONS), (LABS, test.LABS))
    for folder in folders
}
"""The parts of these folders' tests that need an engine; those of all others are in ENGINE."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--part``."""
    parser.addoption(
        "--part",
        action="append",
        choices=(ENGINE, LESSONS, LABS, REST),
        help="run this part of the tests only; may be given several times",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other parts."""
    if parts := config.getoption("--part"):
        others = [item for item in items if part_of(item) not in parts]
        items[:] = [item for item in items if part_of(item) in parts]
        config.hook.pytest_deselected(items=others)


def part_of(item: pytest.Item) -> str:
    """The part that a test is in."""
    if isinstance(item, IPyNbCell):
        return LESSONS
    if item.get_closest_marker("browser") or item.path.is_relative_to(TESTS / "engine"):
        return ENGINE
    if item.get_closest_marker("engine"):
        return PARTS.get(item.path.parent, ENGINE)
    return REST
