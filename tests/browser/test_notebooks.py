"""Every notebook in JupyterLab: it opens, and it runs from top to bottom."""

import re

import nbformat
import pytest
from playwright.sync_api import expect

from dockyard.core import paths
from tests.browser.jupyterlab_page import screen

pytestmark = [pytest.mark.browser, pytest.mark.engine]

LESSONS = sorted(path.name for path in paths.NOTEBOOKS.glob("*.ipynb"))
LIVE = {
    "01-what-docker-is.ipynb": ".dockyard-panel",
    "03-containers.ipynb": ".dockyard-view",
    "06-networks-and-plugins.ipynb": ".dockyard-network-map",
}
"""The lessons with a view that changes while later cells run, with its CSS selector."""

CALL = re.compile(r"^views\.\w+\(", re.MULTILINE)
LONGEST = 900
"""The deadline in seconds for the longest lesson on a busy computer."""

RUN = """() => {
    const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
    const code = cells.filter((cell) => cell.type === "code" && cell.sharedModel.source.trim());
    const failed = (cell) => cell.outputs.toJSON().some((each) => each.output_type === "error");
    // After a cell that failed the others are not run.
    return code.every((cell) => cell.executionState !== "running")
        && (code.some(failed) || code.every((cell) => cell.executionCount !== null));
}"""
"""Whether all cells have run, or one has failed."""

OUTPUTS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((cell) => ({
    id: cell.id,
    type: cell.type,
    source: cell.sharedModel.source,
    count: cell.executionCount ?? null,
    outputs: cell.type === "code" ? cell.outputs.toJSON() : [],
}))"""


@pytest.fixture(scope="module")
def window(lab, browser):
    """One window for all tests; each test checks the console for its own notebook."""
    with screen(lab, browser) as shown:
        yield shown


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if place % 5 == 0 else pytest.mark.walkthrough)
        for place, name in enumerate(LESSONS)
    ],
)
def test_a_notebook_opens_without_an_error_in_the_console(window, name):
    window.errors.clear()
    window.open(f"notebooks/{name}", kernel=False)
    expect(window.page.locator(".jp-Notebook h1").first).to_be_visible()
    assert window.errors == []


def calls(name):
    """The ids of a lesson's cells that show a view."""
    cells = nbformat.read(paths.NOTEBOOKS / name, as_version=4).cells
    return [cell.id for cell in cells if cell.cell_type == "code" and CALL.search(cell.source)]


def test_the_lessons_with_views_are_known():
    assert set(LIVE) <= {name for name in LESSONS if calls(name)}


@pytest.mark.walkthrough
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_from_top_to_bottom(page_of, name):
    shown = page_of(f"notebooks/{name}")
    page = shown.page
    page.evaluate(
        """(css) => {
            window.states = new Set();
            new MutationObserver(() => {
                const view = css && document.querySelector(css);
                if (view) window.states.add(view.textContent);
            }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }""",
        LIVE.get(name, ""),
    )
    shown.command("notebook:run-all-cells")
    page.wait_for_function(RUN, timeout=LONGEST * 1000)
    cells = page.evaluate(OUTPUTS)
    errors = [
        (cell["id"], output["ename"], output["evalue"])
        for cell in cells
        for output in cell["outputs"]
        if output["output_type"] == "error"
    ]
    assert errors == []
    if name in LIVE:
        assert page.evaluate("window.states.size") > 3
    for at, cell in enumerate(cells):
        if cell["id"] not in calls(name):
            continue
        place = shown.scroll_to(at)
        expect(place.locator(".dockyard-view:visible, iframe:visible")).to_have_count(1)
    shown.end_kernel()
