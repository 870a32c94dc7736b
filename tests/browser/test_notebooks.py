"""Every notebook in JupyterLab: it opens, and those with views are run from top to bottom."""

import pytest
from playwright.sync_api import expect

from dockyard import paths
from tests.browser.lab import screen

pytestmark = [pytest.mark.browser, pytest.mark.engine]

LESSONS = sorted(path.name for path in paths.NOTEBOOKS.glob("*.ipynb"))
LIVE = {
    "01-what-docker-is.ipynb": ".dockyard-panel",
    "07-containers.ipynb": ".dockyard-view",
    "08-networks-volumes-plugins.ipynb": ".dockyard-network-map",
}
"""The lessons with a view, and how it is found."""


@pytest.fixture(scope="module")
def window(lab, browser):
    """One window for all, as a learner has; each test looks at what it adds to the console."""
    with screen(lab, browser) as shown:
        yield shown


@pytest.mark.parametrize("name", LESSONS)
def test_a_notebook_opens_without_an_error_in_the_console(window, name):
    window.errors.clear()
    window.open(f"notebooks/{name}", kernel=False)
    expect(window.page.locator(".jp-Notebook h1").first).to_be_visible()
    assert window.errors == []


def test_the_lessons_with_views_are_known():
    found = {
        path.name
        for path in paths.NOTEBOOKS.glob("*.ipynb")
        if '"image/svg+xml"' in path.read_text()
        and "from dockyard import views" in path.read_text()
    }
    assert found == set(LIVE)


@pytest.mark.walkthrough
@pytest.mark.parametrize("name", sorted(LIVE))
def test_a_lesson_with_a_view_runs_and_its_view_changes(page_of, name):
    shown = page_of(f"notebooks/{name}")
    page = shown.page
    page.evaluate(
        """(css) => {
            window.states = new Set();
            new MutationObserver(() => {
                const view = document.querySelector(css);
                if (view) window.states.add(view.textContent);
            }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }""",
        LIVE[name],
    )
    shown.run_all(timeout=600)
    assert page.evaluate("window.states.size") > 3
