"""A real JupyterLab for tests, and what a learner does in it, in headless Chromium."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, expect

from dockyard import course
from dockyard.core import paths, ports, wait

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
START_TIMEOUT = 60
LOAD_TIMEOUT = 60_000
"""Milliseconds, as everything that Playwright is told."""

SETTINGS = {
    # Nothing is asked from the network, and no question stands in front of the page.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
}

ENLARGED = {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}
"""What zooming to 200 % does to a window of 1280 by 900: half the room, and all twice as big."""

HARMLESS = (
    # Chromium drops what it is loading whenever an address appears on this computer, as one does
    # with each network and container of the daemon. JupyterLab asks again.
    "net::ERR_NETWORK_CHANGED",
)


def harmless(error: str) -> bool:
    """Whether an error tells of something that is neither the page's nor the course's fault."""
    return any(words in error for words in HARMLESS)


class Lab:
    """A JupyterLab on copies of the notebooks, so that running them changes nothing here."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.port = ports.choose(0)
        self.token = secrets.token_hex(16)
        self.log = folder / "jupyterlab.log"
        shutil.copytree(
            paths.NOTEBOOKS,
            self.root / "notebooks",
            ignore=shutil.ignore_patterns("work", ".ipynb_checkpoints"),
        )
        settings = folder / "settings" / "@jupyterlab"
        for name, values in SETTINGS.items():
            file = settings / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        argv = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            f"--ServerApp.root_dir={self.root}",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self.token}",
            f"--LabApp.user_settings_dir={folder / 'settings'}",
            f"--LabApp.workspaces_dir={folder / 'workspaces'}",
            "--LabApp.expose_app_in_browser=True",
        ]  # fmt: skip
        environment = course.whole_environment() | {"JUPYTER_CONFIG_DIR": str(folder / "config")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                argv, env=environment, stdout=log, stderr=log, cwd=self.root
            )
        wait.until("JupyterLab to answer", self._answers, START_TIMEOUT, log=self.log)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/api?token={self.token}", timeout=2):
                return True
        except OSError:
            return False

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it and its kernels."""
        self.process.terminate()
        self.process.wait(timeout=30)

    def write(self, name: str, cells: list[str]) -> str:
        """Make a notebook of code cells; return its path for open()."""
        import nbformat

        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {
            "name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python",
        }  # fmt: skip
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        nbformat.write(notebook, self.root / name)
        return name


class Screen:
    """A browser's page that shows one notebook in JupyterLab.

    errors holds what the page has written to its console as an error, or thrown.
    """

    def __init__(self, lab: Lab, browser: Browser, **context: object) -> None:
        options = {"viewport": {"width": 1280, "height": 900}} | context
        self.context = browser.new_context(**options)
        self.lab = lab
        self.errors: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(f"thrown: {error}"))

    def _console(self, message) -> None:
        if message.type == "error" and not harmless(message.text):
            place = message.location.get("url", "")
            self.errors.append(f"{message.text} ({place})")

    def open(self, notebook: str, *, kernel: bool = True) -> None:
        """Show a notebook and wait until it is there, with its kernel at rest if asked for."""
        workspace = secrets.token_hex(4)
        address = f"{self.lab.address}/lab/workspaces/{workspace}/tree/{notebook}"
        self._go(f"{address}?token={self.lab.token}")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=LOAD_TIMEOUT)
        if kernel:
            self.page.wait_for_function(
                """() => {
                    const panel = window.jupyterapp.shell.currentWidget;
                    const kernel = panel?.sessionContext?.session?.kernel;
                    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
                }""",
                timeout=LOAD_TIMEOUT,
            )

    def _go(self, address: str, attempts: int = 3) -> None:
        for left in reversed(range(attempts)):
            try:
                self.page.goto(address, timeout=LOAD_TIMEOUT)
                return
            except Error as error:
                if not left or not harmless(str(error)):
                    raise

    def command(self, name: str, **arguments: object) -> None:
        """Execute one of JupyterLab's commands, as its menus do."""
        self.page.evaluate(
            "([name, values]) => { window.jupyterapp.commands.execute(name, values); }",
            [name, arguments],
        )

    def theme(self, name: str) -> None:
        """Change to the light or the dark theme."""
        self.command("apputils:change-theme", theme=THEMES[name])
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", THEMES[name])
        # The theme's style sheet arrives after its name.
        light = "true" if name == "light" else "false"
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-light", light)
        self.page.wait_for_timeout(300)

    def run_all(self, timeout: float = 60) -> None:
        """Run all cells and wait, in seconds, until the last has been run."""
        self.command("notebook:run-all-cells")
        self.until_run(timeout)

    def until_run(self, timeout: float = 60) -> None:
        """Wait, in seconds, until no cell waits for its turn or is being run."""
        self.page.wait_for_function(
            """() => {
                const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
                const code = [...cells].filter((cell) => cell.type === "code");
                return code.every((cell) => cell.executionState !== "running"
                    && cell.executionCount !== null);
            }""",
            timeout=timeout * 1000,
        )

    def end_kernel(self) -> None:
        """Shut the notebook's kernel down, and wait until it has gone."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def close(self) -> None:
        """Close the page; its kernel goes with JupyterLab."""
        self.context.close()


@contextmanager
def screen(lab: Lab, browser: Browser, **context: object) -> Iterator[Screen]:
    """A Screen for the length of a ``with``."""
    shown = Screen(lab, browser, **context)
    try:
        yield shown
    finally:
        shown.close()


def faults(page: Page, css: str = ".dockyard-view") -> list[tuple[str, list[str]]]:
    """What axe-core calls serious or critical, each with the elements that it means."""
    found = Axe().run(page, context=css).response["violations"]
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
