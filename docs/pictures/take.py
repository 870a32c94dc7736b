"""Takes the pictures of the README: JupyterLab with a lesson, light and dark.

``python docs/pictures/take.py [NOTEBOOK [CELL]]``; CELL is the id of the cell at the top. Needs
Chromium (apt-get install chromium) and shows what is stored in the notebook.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
sys.path.insert(0, str(CHECKOUT))

from dockyard.core import ports, wait  # noqa: E402

NOTEBOOK, CELL = "12-advantages", "speed-predict"
SIZE = {"width": 1200, "height": 760}
PATIENCE = 180_000
"""In milliseconds, for a busy computer."""

ATTEMPTS = 8

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # The notebook is looked at, not written.
    "docmanager-extension/plugin": {"autosave": False},
}


def main(name: str = NOTEBOOK, cell: str = CELL) -> None:
    """Write lesson-light.png and lesson-dark.png beside this file."""
    path = f"notebooks/{name}.ipynb"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        settings = Path(folder)
        with _jupyterlab(settings) as address:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for short, theme in THEMES.items():
                _choose(settings, theme)
                page = browser.new_page(viewport=SIZE)
                for _ in range(ATTEMPTS):
                    page.goto(address.format(path=path), timeout=PATIENCE)
                    _show(page, _number(CHECKOUT / path, cell))
                    if _is_whole(page):
                        break
                page.screenshot(path=HERE / f"lesson-{short}.png")
                page.close()
            browser.close()


@contextmanager
def _jupyterlab(settings: Path) -> Iterator[str]:
    """A JupyterLab with settings of its own; yields its address with a place for a path."""
    port, token = ports.choose(), secrets.token_hex(16)
    server = subprocess.Popen(
        [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            f"--ServerApp.root_dir={CHECKOUT}", f"--ServerApp.port={port}",
            f"--IdentityProvider.token={token}",
        ],
        env=os.environ | {
            "JUPYTERLAB_SETTINGS_DIR": str(settings / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
        },
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait.until("JupyterLab", lambda: _answers(f"http://127.0.0.1:{port}/api"), timeout=180)
        yield f"http://127.0.0.1:{port}/lab/tree/{{path}}?token={token}"
    finally:
        server.terminate()
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def _choose(settings: Path, theme: str) -> None:
    for name, values in (SETTINGS | {"apputils-extension/themes": {"theme": theme}}).items():
        file = settings / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))


def _show(page: Page, number: int) -> None:
    """Wait until the notebook is there and scroll to a cell, given its number."""
    cells = page.locator(".jp-NotebookPanel .jp-Cell")
    cells.first.wait_for(timeout=PATIENCE)
    wanted = page.locator(f'.jp-NotebookPanel .jp-Cell[data-windowed-list-index="{number}"]')
    wanted.wait_for(state="attached", timeout=PATIENCE)
    # Again, because what comes into view is drawn then, and moves what is below it.
    for _ in range(4):
        wanted.evaluate("element => element.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(1000)


def _is_whole(page: Page) -> bool:
    """Whether the files are listed and no dialog says that the server was slow."""
    return (
        bool(page.locator(".jp-DirListing-item").count()) and not page.locator(".jp-Dialog").count()
    )


def _number(notebook: Path, cell: str) -> int:
    return [each.id for each in nbformat.read(notebook, as_version=4).cells].index(cell)


if __name__ == "__main__":
    main(*sys.argv[1:])
