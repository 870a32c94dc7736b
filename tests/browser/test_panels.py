"""Panels in JupyterLab: they tick while the learner works elsewhere."""

import json
from contextlib import closing

import pytest
from playwright.sync_api import expect

from dockyard.core import docker_client
from tests.browser.jupyterlab_page import ENLARGED, faults

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

FITS = "node => [...node.querySelectorAll('*')].every(n => n.scrollWidth <= n.clientWidth + 1 \
|| getComputedStyle(n).display === 'inline')"
"""Whether nothing in a panel is wider than its place."""


@pytest.fixture
def progress(tmp_path):
    """The file in which these pages keep their progress; all else is the running course's."""
    return tmp_path / "progress.json"


@pytest.fixture
def begin(lab, page_of, progress):
    """Opens a page whose cells keep their progress apart, and runs them all."""

    def show(*cells, **context):
        first = (
            "%load_ext dockyard\nimport pathlib\nfrom dockyard.core import progress_file\n"
            f"progress_file.path = lambda: pathlib.Path({str(progress)!r})"
        )
        name = lab.write(f"{progress.parent.name}.ipynb", [first, *cells])
        screen = page_of(name, **context)
        screen.run_all()
        return screen

    return show


@pytest.mark.parametrize(
    ("theme", "context"),
    [("light", {}), ("dark", {}), ("light", ENLARGED)],
    ids=["light", "dark", "at 200 percent"],
)
def test_a_drill_ticks_without_a_button(begin, progress, theme, context):
    screen = begin("%drill stop say", **context)
    page = screen.page
    screen.theme(theme)
    panel = page.locator(".dockyard-form")
    said = panel.get_by_role("status")
    expect(said).to_contain_text("Not yet.")
    box = panel.locator(".dy-goal code").inner_text()
    expect(said).to_contain_text(f"{box} is running.")
    show = panel.get_by_role("button", name="Show me")
    show.focus()
    page.keyboard.press("Enter")
    expect(panel.locator("pre")).to_have_text(f"docker stop {box}")
    assert faults(page, ".dockyard-form") == []
    assert panel.evaluate(FITS)

    with closing(docker_client.connect()) as daemon:
        daemon.containers.get(box).stop()
    expect(said).to_contain_text(f"Done. {box} is stopped, and still there.")
    expect(panel.get_by_role("button", name="Next")).to_be_focused()
    assert faults(page, ".dockyard-form") == []
    assert json.loads(progress.read_text())["drills"]["stop"]["times"] == 0

    page.keyboard.press("Enter")
    expect(panel.locator(".dy-title")).to_have_text("Drill say (lesson 00-start-here)")
    expect(panel.locator("pre")).to_be_hidden()
    panel.get_by_role("button", name="End").click()
    expect(panel.locator(".dy-goal")).to_be_hidden()
    with closing(docker_client.connect()) as daemon:
        assert box not in {each.name for each in daemon.containers.list(all=True)}


def test_tidy_ends_a_drill(begin):
    screen = begin("%drill pause", "%tidy")
    panel = screen.page.locator(".dockyard-form")
    expect(panel.get_by_role("status")).to_contain_text("Removed 1 container.")
