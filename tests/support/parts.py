"""The parts of the tests that ``test`` runs side by side.

Most of the time tests wait: for containers, for a browser, for a download. So three parts run at
once: what needs an engine and the computer's network as it is; the course itself (notebooks, labs
and what belongs to them), on an engine and in a network of its own; and all the rest.
Chromium belongs to the first: it drops its requests whenever a container's network comes or goes.
"""

from __future__ import annotations

import pytest
from nbval.plugin import IPyNbCell

from dockyard.core import paths

ENGINE, COURSE, REST = "engine", "course", "rest"
TESTS = paths.CHECKOUT / "tests"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--part``."""
    parser.addoption(
        "--part",
        action="append",
        choices=(ENGINE, COURSE, REST),
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
        return COURSE
    if item.get_closest_marker("browser"):
        return ENGINE
    if item.get_closest_marker("engine"):
        course = any(item.path.is_relative_to(TESTS / name) for name in ("labs", "lessons"))
        return COURSE if course else ENGINE
    return ENGINE if item.path.is_relative_to(TESTS / "engine") else REST
