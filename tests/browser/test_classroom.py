"""The classroom in the side bar: agree, ask for help, read the hint, take it back."""

import getpass

import pytest
from playwright.sync_api import expect

from dockyard import course
from dockyard.sharing import room, teacher
from tests.browser.jupyterlab_page import PATIENCE, faults, screen
from tests.browser.test_learner_copy import OPEN, CourseLab

pytestmark = pytest.mark.browser

WAIT = PATIENCE * 1000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A teacher's folder with one for this learner."""
    folder = tmp_path / "class"
    (folder / getpass.getuser()).mkdir(parents=True)
    monkeypatch.setenv("DOCKYARD_CLASSROOM", str(folder))
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    return folder


def test_a_learner_agrees_asks_for_help_reads_a_hint_and_stops(tmp_path, browser, folder):
    course.prepare_home()
    with CourseLab(tmp_path) as lab, screen(lab, browser) as window:
        page = window.page
        window.load("lab")
        page.evaluate(OPEN, "labs/03-containers.ipynb")
        part = page.locator(".dockyard-classroom")
        expect(part).to_contain_text("Nothing of yours is shared.", timeout=WAIT)
        assert faults(page, "#dockyard-course") == []
        assert room.load(folder).learners == []

        part.get_by_role("button", name="Share with my teacher").click()
        ask = part.get_by_role("button", name="Ask the teacher for help")
        ask.click(timeout=WAIT)
        expect(part.get_by_role("button", name="I go on by myself")).to_be_visible(timeout=WAIT)
        (call,) = room.load(folder).calls()
        assert (call.name, call.evidence.help.page) == (getpass.getuser(), "labs/03-containers")

        teacher.write_hint(folder, "Look at <port> 80.")
        hint = page.locator(".dockyard-hint")
        expect(hint).to_have_text("Your teacher says: Look at <port> 80.", timeout=WAIT)
        assert faults(page, "#dockyard-course") == []

        part.get_by_role("button", name="Stop sharing").click()
        expect(part).to_contain_text("Nothing of yours is shared.", timeout=WAIT)
        assert room.load(folder).learners == []
