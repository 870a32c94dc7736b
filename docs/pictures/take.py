"""Takes the pictures of the README: the learner's copy of a lesson that is being worked on.

``python3 -m dockyard engine start``, then ``.venv/bin/python docs/pictures/take.py``. Runs the
lesson that shows a container's life cycle up to the cells below that view. Needs Chromium
(apt-get install chromium).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import expect

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
sys.path.insert(0, str(CHECKOUT))

from tests.browser.jupyterlab_page import THEMES, headless_chromium, screen  # noqa: E402
from tests.browser.test_learner_copy import CourseLab  # noqa: E402

VIEW = "views.life_cycle("
BELOW = 4
"""How many cells below the view are run and may be in the picture."""
SIZE = {"width": 1200, "height": 900}


def main() -> None:
    """Write lesson-light.png and lesson-dark.png beside this file."""
    lesson, at, cells = _place()
    code = [place for place in range(at + BELOW) if cells[place].cell_type == "code"]
    with (
        tempfile.TemporaryDirectory() as folder,
        headless_chromium() as browser,
        CourseLab(Path(folder)) as lab,
        screen(lab, browser, viewport=SIZE) as shown,
    ):
        shown.open(lesson)
        for place in code:
            shown.run_cell(place)
        shown.page.evaluate("window.jupyterapp.shell.currentWidget.context.save()")
        for theme in THEMES:
            shown.theme(theme)
            expect(shown.page.locator(".dockyard-tasks li").first).to_be_visible()
            found = shown.scroll_to(at - 2)
            # Several times, because cells that are drawn later move the ones after them.
            for _ in range(4):
                found.evaluate("element => element.scrollIntoView({ block: 'start' })")
                shown.page.wait_for_timeout(1000)
            shown.page.screenshot(path=HERE / f"lesson-{theme}.png")
        (tidy,) = [place for place, cell in enumerate(cells) if cell.source == "%tidy"]
        shown.run_cell(tidy)


def _place() -> tuple[str, int, list[nbformat.NotebookNode]]:
    """The first lesson with that view, the place of its cell, and all of its cells."""
    for file in sorted((CHECKOUT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(file, as_version=4).cells
        for at, cell in enumerate(cells):
            if cell.cell_type == "code" and VIEW in cell.source:
                return f"notebooks/{file.name}", at, cells
    raise LookupError(f"no lesson has {VIEW}")


if __name__ == "__main__":
    main()
