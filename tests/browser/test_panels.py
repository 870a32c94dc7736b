"""Panels of drills and labs in JupyterLab: they tick while the learner works elsewhere."""

import json
from contextlib import closing

import pytest
from playwright.sync_api import expect

from dockyard.core import docker_client, progress_file
from dockyard.labs import attempt as attempts
from tests.browser.jupyterlab_page import ENLARGED, faults
from tests.support.lab_attempts import LAB, start_web

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
    [("light", {}), ("dark", ENLARGED)],
    ids=["light", "dark at 200 percent"],
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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_lab_ticks_and_gives_hints_in_its_panel(
    begin, progress, monkeypatch, own_progress, theme
):
    screen = begin("%lab 03-containers")
    page = screen.page
    screen.theme(theme)
    monkeypatch.setattr(progress_file, "path", lambda: progress)
    attempt = attempts.current(LAB)
    panel = page.locator(".dockyard-form")
    web, second = (panel.locator(f"[data-task={task.name}]") for task in LAB.tasks[:2])
    expect(panel).to_contain_text(f"0 of {len(LAB.tasks)} tasks done")
    expect(web).to_have_attribute("open", "")
    expect(second).not_to_have_attribute("open", "")
    expect(web.locator(".dy-state")).to_contain_text(attempt.values["WEB"])
    web.get_by_role("button", name="Hint").focus()
    page.keyboard.press("Enter")
    expect(web.locator(".dy-hint")).to_contain_text("Hint 1 of 4.")
    for number in (2, 3, 4):
        page.keyboard.press("Enter")
        expect(web.locator(".dy-hint").nth(number - 1)).to_contain_text(f"Hint {number} of 4.")
    expect(web.locator("pre")).to_have_count(2)
    assert faults(page, ".dockyard-form") == []
    assert panel.evaluate(FITS)

    start_web(attempt)
    expect(panel.get_by_role("status")).to_have_text(f"Done: web. 1 of {len(LAB.tasks)}.")
    expect(panel).to_contain_text(f"1 of {len(LAB.tasks)} tasks done")
    web.get_by_role("button", name="Other ways").blur()
    assert faults(page, ".dockyard-form") == []
    # The next task opens by itself, and closes by keyboard.
    expect(second).to_have_attribute("open", "")
    expect(second.locator(".dy-state")).to_contain_text("Now: ")
    second.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(second).not_to_have_attribute("open", "")
