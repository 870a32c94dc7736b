"""The tasks in the side bar tick by themselves while the learner works."""

import json

import pytest
from playwright.sync_api import expect

from dockyard.labs import attempt as attempts
from dockyard.lessons import lesson_catalog
from tests.browser.jupyterlab_page import PATIENCE, faults, screen
from tests.browser.test_learner_copy import OPEN, CourseLab
from tests.support.lab_attempts import LAB, progress_in, start_web

pytestmark = [pytest.mark.browser, pytest.mark.engine]

WAIT = PATIENCE * 1000


@pytest.fixture(scope="module")
def window(tmp_path_factory, browser):
    """One window for all tests; nothing has been begun before the last one."""
    folder = tmp_path_factory.mktemp("tasks")
    # No page of an earlier test is opened again.
    options = f"--LabApp.workspaces_dir={folder / 'workspaces'}"
    with (
        progress_in(folder),
        CourseLab(folder, options) as lab,
        screen(lab, browser) as window,
    ):
        window.load("lab")
        yield window


def test_a_page_that_nobody_has_begun_shows_its_tasks_unticked(window):
    page = window.page
    name = next(each for each in lesson_catalog.names())
    page.evaluate(OPEN, f"notebooks/{name}.ipynb")
    tasks = page.locator("li[data-open] .dockyard-tasks > li")
    expect(tasks).to_have_count(len(lesson_catalog.load(name).tasks), timeout=WAIT)
    expect(page.locator(".dockyard-tasks > li[data-done]")).to_have_count(0)


def test_a_page_of_the_learners_own_has_no_tasks(window):
    asked = """async () => {
        const { baseUrl, token } = window.jupyterapp.serviceManager.serverSettings;
        const headers = { Authorization: `token ${token}` };
        const told = [];
        for (const page of ["mine.ipynb", "../outside.ipynb", "notebooks/99-none.ipynb"]) {
            const address = `${baseUrl}dockyard/tasks?page=${encodeURIComponent(page)}`;
            const answer = await fetch(address, { headers });
            told.push(await answer.text());
        }
        return told;
    }"""
    assert [json.loads(each) for each in window.page.evaluate(asked)] == [[], [], []]


def test_a_task_ticks_when_the_daemon_has_what_it_asks_for(window):
    attempt = attempts.begin(LAB)
    page = window.page
    page.evaluate(OPEN, f"labs/{LAB.name}.ipynb")
    tasks = page.locator("li[data-open] .dockyard-tasks > li")
    expect(tasks).to_have_count(len(LAB.tasks), timeout=WAIT)
    expect(page.locator(".dockyard-tasks > li[data-done]")).to_have_count(0)
    goal = attempt.fill(LAB.tasks[0].goal).split("`")[0].split()
    assert " ".join(goal) in " ".join(tasks.first.inner_text().split())
    start_web(attempt)
    expect(page.locator(".dockyard-tasks > li[data-done]")).to_have_count(1, timeout=WAIT)
    expect(page.locator(".dockyard-said[role=status]")).to_have_text("Done: web.")
    assert faults(page, "#dockyard-course") == []
