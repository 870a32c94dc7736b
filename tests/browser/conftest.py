"""One Chromium and one JupyterLab for all tests of this folder."""

import json
import os

import pytest

from dockyard.engine import system_packages
from dockyard.exceptions import DockyardError
from tests.browser.jupyterlab_page import Lab, Screen, headless_chromium
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


@pytest.fixture(scope="package")
def windows():
    """The windows that tests opened, by their contexts, for the next test that needs the same."""
    opened = {}
    yield opened
    for shown in opened.values():
        shown.close()


@pytest.fixture
def page_of(request, lab, browser, windows):
    """Opens a notebook in a window; at the end its console must be empty.

    The window may be one that an earlier test of the same context used. A test that fails leaves
    none.
    """
    failed_before = request.session.testsfailed
    used = []

    def show(notebook, *, kernel=True, **context):
        key = json.dumps(context, sort_keys=True)
        known = windows.pop(key, None)
        shown = known or Screen(lab, browser, **context)
        used.append((key, shown))
        (shown.open_next if known else shown.open)(notebook, kernel=kernel)
        return shown

    yield show
    failed = request.session.testsfailed > failed_before
    errors = []
    for key, shown in used:
        if not failed:
            shown.page.evaluate("null")  # what the console has said has arrived before the answer
        errors += shown.errors
        if failed or errors or key in windows:
            shown.close()
        else:
            shown.close_all()
            windows[key] = shown
    assert errors == []
