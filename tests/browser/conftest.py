"""One Chromium and one JupyterLab for all tests of this folder."""

import os

import pytest

from dockyard.engine import system_packages
from dockyard.exceptions import DockyardError
from tests.browser.jupyterlab_page import Lab, headless_chromium, screen
from tests.support import packages


@pytest.fixture(scope="session")
def chromium():
    """The path of the browser, which is installed if it is missing and may be installed."""
    if not system_packages.which("chromium"):
        try:
            packages.install(["chromium"])
        except DockyardError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"needs chromium. {error}")
    return system_packages.which("chromium")


# Package scope, not session scope: while Playwright is open, its event loop runs in this thread, so
# no later test could run another one.
@pytest.fixture(scope="package")
def browser(chromium):
    """Headless Chromium."""
    with headless_chromium(chromium) as running:
        yield running


@pytest.fixture(scope="package")
def lab(tmp_path_factory):
    """A running JupyterLab."""
    with Lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def page_of(lab, browser):
    """Opens a notebook on a new page; at the end the page's console must be empty."""
    opened = []

    def show(notebook, *, kernel=True, **context):
        manager = screen(lab, browser, **context)
        shown = manager.__enter__()
        opened.append((manager, shown))
        shown.open(notebook, kernel=kernel)
        return shown

    yield show
    for manager, _ in opened:
        manager.__exit__(None, None, None)
    for _, shown in opened:
        assert shown.errors == []
