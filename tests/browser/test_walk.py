"""Every lesson as a learner takes it: the blank copy of its page, cell by cell, every task done."""

import json
import re
from contextlib import closing

import nbformat
import pytest
from playwright.sync_api import expect

from dockyard import cleanup
from dockyard.core import docker_client, paths, wait
from dockyard.learner_copy import course_folder
from dockyard.learner_copy.page_text import YOUR_TURN
from dockyard.lessons import lesson_catalog
from tests.browser.jupyterlab_page import PATIENCE, THEMES, faults, screen
from tests.browser.test_learner_copy import DRAWN, FACTS, CourseLab
from tests.support.lab_attempts import set_aside

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.walkthrough]

LESSONS = sorted(path.stem for path in paths.NOTEBOOKS.glob("*.ipynb"))
FAILS = "fails-on-purpose"
FAILED = re.compile(r"^\[exit code \d+\]$", re.MULTILINE)
CHECK = "%check "
PREDICTED = "%%predict "
TERMINAL = "%terminal"
OURS = "#dockyard-course, .dockyard-view, .dockyard-form, .jp-RenderedMarkdown"
"""What on a page is the course's own, as a CSS selector; the rest is JupyterLab's."""
LONGEST = 300
"""The deadline in seconds for the longest cell on a busy computer."""
WIDTH = 1280

GO_TO = """(at) => {
    const { shell } = window.jupyterapp;
    // A terminal that a cell opens beside the page is in front afterwards.
    window.walked ??= shell.currentWidget;
    shell.activateById(window.walked.id);
    const { content } = window.walked;
    content.activeCellIndex = at;
    content.mode = "command";
    content.activate();
}"""

CELL = """(at) => {
    const { content } = window.walked;
    const cell = content.model.cells.get(at);
    const outputs = cell.type === "code" ? cell.outputs.toJSON() : [];
    return {
        id: cell.id,
        source: cell.sharedModel.source,
        count: cell.executionCount ?? null,
        text: outputs.map(text).join(""),
        raised: outputs.some((each) => each.output_type === "error"),
    };

    function text({ text, evalue, data }) {
        return [text ?? evalue ?? data?.["text/plain"] ?? ""].flat().join("");
    }
}"""

HAS_RUN = """([at, before]) => {
    const cell = window.walked.content.model.cells.get(at);
    return cell.executionState !== "running" && cell.executionCount !== null
        && cell.executionCount !== before;
}"""

BESIDE = "() => window.jupyterapp.shell.currentWidget !== window.walked"
"""Whether something that a cell has opened is in front."""

ALONE = """() => {
    const { shell } = window.jupyterapp;
    for (const each of [...shell.widgets("main")]) if (each !== window.walked) each.close();
    shell.activateById(window.walked.id);
}"""
"""Closes what has been opened beside the page."""

HEIGHT = """() => {
    const outer = window.walked.content.node
        .querySelector(".jp-WindowedPanel-outer");
    return window.innerHeight - outer.clientHeight + outer.scrollHeight;
}"""

WIDE = """(css) => [...document.querySelectorAll(css)]
    .filter((node) => node.scrollWidth > node.clientWidth + 1)
    .map((node) => `${node.className}: ${node.textContent.trim().slice(0, 80)}`)"""


@pytest.fixture(params=LESSONS)
def lesson(request, tmp_path, monkeypatch):
    """A lesson whose page nobody has opened; at the end, what was made is removed."""
    name = request.param
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(tmp_path / "progress.json"))
    folder = course_folder.update(print) / "notebooks"
    with set_aside(folder / f"{name}.ipynb"), set_aside(folder / "work" / name):
        yield name
        with closing(docker_client.connect()) as daemon:
            cleanup.remove(daemon, lesson=name)


class Walk:
    """A learner on the page of a lesson."""

    def __init__(self, window, lesson):
        self.window, self.page = window, window.page
        self.cells = nbformat.read(paths.NOTEBOOKS / f"{lesson}.ipynb", as_version=4).cells
        """The cells of the stored page."""
        self.failed = {}
        """What cells that should work printed, by their ids."""
        self.early = []
        """The tasks that were ticked before anybody did them."""
        self.tasks = self.page.locator("li[data-open] .dockyard-tasks > li")
        self.names = [task.name for task in lesson_catalog.load(lesson).tasks]

    def go(self):
        """Run every cell; type the solutions."""
        for at, cell in enumerate(self.cells):
            if cell.cell_type != "code":
                continue
            tags = cell.metadata.get("tags", ())
            if YOUR_TURN in tags:
                task = self.cells[at + 1].source.removeprefix(CHECK)
                ticked = self.tasks.nth(self.names.index(task)).get_attribute("data-done")
                self.early += [task] if ticked is not None else []
                self.type(at, cell.source)
            if cell.source.startswith(CHECK):
                wait.until(cell.source, lambda at=at: ": done." in self.run(at)["text"], PATIENCE)
            else:
                self.run(at)
            if cell.source.startswith(PREDICTED):
                self.decline(at)
            if cell.source.startswith(TERMINAL):
                self.page.wait_for_function(BESIDE)
            said = self.cell(at)
            if FAILS not in tags and (said["raised"] or FAILED.search(said["text"])):
                self.failed[cell.id] = said["text"]

    def cell(self, at):
        return self.page.evaluate(CELL, at)

    def type(self, at, solution):
        """Type the solution into a blank cell."""
        self.page.evaluate(GO_TO, at)
        assert self.cell(at)["source"] == ""
        self.page.keyboard.press("Enter")
        # As pasting does: nothing is indented or closed on the way.
        self.page.keyboard.insert_text(solution)
        assert self.cell(at)["source"] == solution

    def run(self, at):
        """Run a cell and wait until it has run."""
        self.page.evaluate(GO_TO, at)
        before = self.cell(at)["count"]
        self.page.keyboard.press("Shift+Enter")
        self.page.wait_for_function(HAS_RUN, arg=[at, before], timeout=LONGEST * 1000)
        return self.cell(at)

    def decline(self, at):
        """Look at a predicted cell's output without a guess."""
        shown = self.window.scroll_to(at)
        shown.get_by_role("button", name="Skip").click()
        # The second where the connection was made anew meanwhile (dockyard/quiz/prediction.js).
        said = re.compile(r"Skipped: here is the output\.|Noted\. The output is below\.")
        expect(shown.get_by_text(said)).to_be_visible()


def settings(folder, theme):
    """JupyterLab's options for settings of its own, with a theme and all of a page drawn."""
    for name, values in {
        "apputils-extension/themes": {"theme": THEMES[theme]},
        "notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    }.items():
        file = folder / "user_settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    return [f"--LabApp.{each}_dir={folder / each}" for each in ("user_settings", "workspaces")]


@pytest.mark.parametrize("theme", THEMES)
def test_a_learner_walks_through(lesson, theme, browser, tmp_path):
    with (
        CourseLab(tmp_path, *settings(tmp_path, theme)) as lab,
        screen(lab, browser, viewport={"width": WIDTH, "height": 900}) as window,
    ):
        page = window.page
        window.open(f"notebooks/{lesson}.ipynb")
        expect(page.locator("body")).to_have_attribute("data-jp-theme-name", THEMES[theme])
        walk = Walk(window, lesson)
        walk.go()

        expect(page.locator("li[data-open] .dockyard-tasks > li[data-done]")).to_have_count(
            len(walk.names)
        )
        page.evaluate(ALONE)
        page.wait_for_function(DRAWN, arg=f"notebooks/{lesson}.ipynb")
        page.set_viewport_size({"width": WIDTH, "height": page.evaluate(HEIGHT)})
        page.screenshot(path=tmp_path / f"{lesson}-{theme}.png")
        facts = page.evaluate(FACTS)
        found = {
            "failing cells": walk.failed,
            "ticked too early": walk.early,
            "overflows": facts["overflows"] + page.evaluate(WIDE, OURS),
            "missing pictures": facts["pictures"],
            "axe": faults(page, OURS),
            "console": window.errors,
        }
        assert {what: each for what, each in found.items() if each} == {}
