"""Chromium and JupyterLab for the tests of this folder: one of each for all of them."""

import os

import pytest
from playwright.sync_api import sync_playwright

from dockyard.engine import system_packages
from dockyard.exceptions import DockyardError
from tests.browser.jupyterlab_page import Lab, screen


@pytest.fixture(scope="session")
def chromium():
    """The browser's program; installed when it is missing and may be installed."""
    if not system_packages.which("chromium"):
        try:
            system_packages.install(["chromium"], print, agreed=False)
        except DockyardError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"needs chromium. {error}")
    return system_packages.which("chromium")


# Of the folder, not of the run: while Playwright is open, its event loop runs in this thread, and
# no later test could run one of its own.
@pytest.fixture(scope="package")
def browser(chromium):
    """Headless Chromium."""
    with sync_playwright() as playwright:
        # Root, which containers and CI often are, may not use the sandbox; every page is our own.
        program = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield program
        program.close()


@pytest.fixture(scope="package")
def lab(tmp_path_factory):
    """A running JupyterLab."""
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.stop()


@pytest.fixture
def page_of(lab, browser):
    """Opens a notebook on a page of its own; at the end nothing may be in the page's console."""
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
