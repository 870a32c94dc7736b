"""Leaves ``os.environ`` as it is while tests run.

pytest writes the name of each test into PYTEST_CURRENT_TEST. Labs and solutions are proved by
threads that go on from one test to the next, and one that reads the environment at that moment
fails: ``requests`` looks for proxies there, ``subprocess`` copies all of it.
"""

from __future__ import annotations

import pytest
from _pytest import runner


def pytest_configure() -> None:
    """Replace the function that writes the variable; nothing here reads it."""
    pytest.MonkeyPatch().setattr(runner, "_update_current_test_var", lambda *_: None)
