"""The two halves of the tests, which ``test`` runs side by side, and beside them the notebooks.

Most of the time tests wait: for containers, for a browser, for a download. What needs the course's
engine, or the computer's network as it is, is one half, in its order; all the rest is the other.
Notebooks are in the first half, too, where they cannot have an engine of their own.
Chromium belongs to the first: it drops its requests whenever a container's network comes or goes.
"""

from __future__ import annotations

import pytest
from nbval.plugin import IPyNbCell

from dockyard.core import paths

ENGINE, REST = "engine", "rest"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--half``."""
    parser.addoption("--half", choices=(ENGINE, REST), help="run one half of the tests")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other half."""
    if half := config.getoption("--half"):
        others = [item for item in items if half_of(item) != half]
        items[:] = [item for item in items if half_of(item) == half]
        config.hook.pytest_deselected(items=others)


def half_of(item: pytest.Item) -> str:
    """The half that a test is in."""
    needs_engine = (
        isinstance(item, IPyNbCell)
        or item.get_closest_marker("engine")
        or item.get_closest_marker("browser")
        or item.path.is_relative_to(paths.CHECKOUT / "tests" / "engine")
    )
    return ENGINE if needs_engine else REST
