"""Takes the pictures of the README: JupyterLab with a lesson, light and dark.

``python docs/pictures/take.py [NOTEBOOK [CELL]]``; CELL is the id of the cell at the top. Needs
Chromium (apt-get install chromium) and shows the stored outputs.
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

from tests.browser.jupyterlab_page import THEMES, Lab, headless_chromium, screen  # noqa: E402

NOTEBOOK, CELL = "12-advantages", "speed-predict"
SIZE = {"width": 1200, "height": 760}


def main(name: str = NOTEBOOK, cell: str = CELL) -> None:
    """Write lesson-light.png and lesson-dark.png beside this file."""
    path = f"notebooks/{name}.ipynb"
    cells = nbformat.read(CHECKOUT / path, as_version=4).cells
    at = [each.id for each in cells].index(cell)
    with (
        tempfile.TemporaryDirectory() as folder,
        headless_chromium() as browser,
        Lab(Path(folder)) as lab,
    ):
        for theme in THEMES:
            with screen(lab, browser, viewport=SIZE) as shown:
                shown.open(path)
                shown.theme(theme)
                expect(shown.page.locator(".jp-DirListing-item").first).to_be_visible()
                found = shown.scroll_to(at)
                # Several times, because cells that are drawn later move the ones after them.
                for _ in range(4):
                    found.evaluate("element => element.scrollIntoView({ block: 'start' })")
                    shown.page.wait_for_timeout(1000)
                shown.page.screenshot(path=HERE / f"lesson-{theme}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
