"""What the tests of several engines need."""

import pytest

from dockyard import course


@pytest.fixture
def mirror():
    """The URL of the course registry that runs."""
    state = course.State.load()
    if state is None or not state.mirror:
        pytest.skip("needs the course registry:  python3 -m dockyard engine start")
    return state.mirror
