"""The parts of the tests that ``test`` runs side by side.

Most of the time tests wait: for containers, for a browser, for a download. So three parts run at
once: what needs an engine and the computer's network as it is; the lessons, on an engine and in a
network of their own; and all the rest.
Chromium belongs to the first: it drops its requests whenever a container's network comes or goes.
"""

from __future__ import annotations

import pytest
from nbval.plugin import IPyNbCell

from dockyard.core import paths

ENGINE, LESSONS, REST = "engine", "lessons", "rest"
TESTS = paths.CHECKOUT / "tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--part``."""
    parser.addoption(
        "--part",
        action="append",
        choices=(ENGINE, LESSONS, REST),
        help="run this part of the tests only; may be given twice",
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
        return LESSONS if item.path.is_relative_to(TESTS / "lessons") else ENGINE
    return REST
