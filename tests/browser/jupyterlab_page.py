"""Runs JupyterLab in headless Chromium, and does in it what a learner does."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Frame, Locator, Page, expect, sync_playwright

from dockyard import course
from dockyard.core import paths, ports, wait
from dockyard.exceptions import DockyardError

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
PATIENCE = 120
"""Seconds that everything may take on a busy computer: the one deadline of the browser tests."""

LOADING = 60
"""Seconds in which a page that nothing was dropped of shows its notebook."""

SHOWN_CELL = ".jp-Notebook .jp-Cell:visible"
"""A cell of the notebook in front: JupyterLab may have opened others again behind it."""

STOPPING = 30
"""Seconds that JupyterLab has for the end of its kernels."""

expect.set_options(timeout=PATIENCE * 1000)

SETTINGS = {
    # No requests to the Internet, and no dialog in front of the page.
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
}

RAW_PICTURE = re.compile(
    r"status of 404 .*\(http://[^/]+/(?!files/)(?:[^)]*/)?pictures/[^/)]+\.svg\)"
)
"""JupyterLab 4.6 puts a picture's address into the page as it is written, and then replaces it by
that of the file. A browser may ask for the first one meanwhile."""

EXTENSIONS = paths.CHECKOUT / "dockyard" / "jupyter" / "labextensions"

WINDOW = {"width": 1280, "height": 900}
"""The size of a window unless a test gives another one, in CSS pixels."""

ENLARGED = {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2}
"""The effect of zooming a window of 1280 by 900 to 200 %: half the space, twice the size."""

DROPPED = "net::ERR_NETWORK_CHANGED"
"""Chromium drops what it is loading whenever an address appears on this computer, as one does with
each network and container of the daemon. That is neither the page's nor the course's fault."""

ASK_AGAIN = """() => {
    const ask = window.fetch;
    window.fetch = async (what, how) => {
        for (let left = 3; ; left--) {
            try {
                return await ask(what, how);
            } catch (error) {
                // A request that was only dropped fails so, too; a lasting fault fails again.
                const reads = (how?.method ?? what.method ?? "GET") === "GET";
                if (!left || !reads || !(error instanceof TypeError)) throw error;
                await new Promise((resolve) => setTimeout(resolve, 200));
            }
        }
    };
}"""
"""JupyterLab shows a dialog instead of a page if Chromium drops the request for it."""

CLOSE_ALL = """async () => {
    for (const each of [...window.jupyterapp.shell.widgets("main")]) {
        await (each.sessionContext ?? each.content?.session)?.shutdown?.();
        // Otherwise it would ask whether to save.
        if (each.context) each.context.model.dirty = false;
        each.close();
    }
}"""

OPEN_ALONE = """async (path) => {
    const { commands, shell } = window.jupyterapp;
    const opened = await commands.execute("docmanager:open", { path });
    // JupyterLab opens the launcher when nothing else is there.
    for (const each of [...shell.widgets("main")]) if (each !== opened) each.close();
}"""


@contextmanager
def headless_chromium(program: str | None = None) -> Iterator[Browser]:
    """Run Chromium; program is its path, by default the one on PATH."""
    with sync_playwright() as playwright:
        # Root, as in containers and CI, cannot use the sandbox. Every page is our own.
        running = playwright.chromium.launch(
            executable_path=program or shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield running
        running.close()


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
            f"--LabApp.extra_labextensions_path={EXTENSIONS}",
            "--ServerApp.jpserver_extensions=dockyard.jupyter.course_panel=True",
        ]  # fmt: skip
        environment = course.whole_environment() | {"JUPYTER_CONFIG_DIR": str(folder / "config")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                argv, env=environment, stdout=log, stderr=log, cwd=self.root
            )
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        try:
            wait.until("JupyterLab to answer", self._answers, PATIENCE, log=self.log)
        except DockyardError:
            self.stop()
            raise

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/api?token={self.token}", timeout=2):
                return True
        except OSError:
            return False

    @property
    def address(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it and its kernels."""
        self.process.terminate()
        try:
            self.process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            # It hangs when it is told to end while a kernel starts: its idle threads wait for work.
            self.process.kill()
            self.process.wait(PATIENCE)

    def write(self, name: str, cells: list[str]) -> str:
        """Write a notebook of code cells; return its path for open()."""
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

    errors holds the errors in the page's console and its uncaught exceptions. What follows from a
    request that Chromium dropped is not among them.
    """

    def __init__(self, lab: Lab, browser: Browser, **context: object) -> None:
        self.options = {"viewport": WINDOW} | context
        self.context = browser.new_context(**self.options)
        self.lab = lab
        self.errors: list[str] = []
        self.dropped = False
        self.context.add_init_script(f"({ASK_AGAIN})();")
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self._error(f"thrown: {error}"))
        self.page.on("framenavigated", self._navigated)

    def _console(self, message) -> None:
        if message.type == "error":
            self._error(f"{message.text} ({message.location.get('url', '')})")

    def _error(self, error: str) -> None:
        if DROPPED in error:
            self.dropped = True
        # A script that is not there, and was not dropped, is an error.
        elif not (self.dropped and "ChunkLoadError" in error) and not RAW_PICTURE.search(error):
            self.errors.append(error)

    def _navigated(self, frame: Frame) -> None:
        # The course loads a page again of which a part was dropped.
        if frame == self.page.main_frame and self.dropped:
            self.errors.clear()
            self.dropped = False

    def open(self, notebook: str, *, kernel: bool = True) -> None:
        """Open a notebook and wait until it is shown; with kernel, until its kernel is idle."""
        workspace = secrets.token_hex(4)
        self.load(f"lab/workspaces/{workspace}/tree/{notebook}")
        if kernel:
            self._until_connected()

    def _until_connected(self) -> None:
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp.shell.currentWidget;
                const kernel = panel?.sessionContext?.session?.kernel;
                return kernel?.connectionStatus === "connected" && kernel.status === "idle";
            }"""
        )

    def close_all(self) -> None:
        """Close all that the page shows; its kernels end."""
        self.page.evaluate(CLOSE_ALL)

    def open_next(self, notebook: str, *, kernel: bool = True) -> None:
        """Open a notebook in a page on which all was closed, as if the page was new.

        Loading JupyterLab takes most of the time of a short test.
        """
        self.page.set_viewport_size(self.options["viewport"])
        self.page.emulate_media(reduced_motion="null")
        self.context.clear_permissions()
        self.errors.clear()
        self.page.evaluate(OPEN_ALONE, notebook)
        self.page.wait_for_selector(SHOWN_CELL)
        self.theme("light")
        if kernel:
            self._until_connected()

    def load(self, path: str, attempts: int = 3) -> None:
        """Load a page of JupyterLab's and wait until it shows a notebook.

        It is loaded again if Chromium dropped a part of it, as a learner would do with a page that
        stays empty.
        """
        for left in reversed(range(attempts)):
            try:
                self.page.goto(f"{self.lab.address}/{path}?token={self.lab.token}")
                self.page.wait_for_selector(SHOWN_CELL, timeout=LOADING * 1000)
                return
            except Error as error:
                if not left or not (self.dropped or DROPPED in str(error)):
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
        self.page.wait_for_function(
            """light => {
                const notebook = document.querySelector(".jp-Notebook");
                const [red] = getComputedStyle(notebook).backgroundColor.match(/[0-9]+/g);
                return (Number(red) > 127) === light;
            }""",
            arg=name == "light",
        )

    def run_all(self, timeout: float = PATIENCE) -> None:
        """Run all cells and wait until the last one has run; timeout is in seconds."""
        self.start_all()
        self.page.wait_for_function("window.ranAll", timeout=timeout * 1000)

    def start_all(self) -> None:
        """Run all cells without waiting for them."""
        self.page.evaluate(
            """() => {
                window.ranAll = false;
                const run = window.jupyterapp.commands.execute("notebook:run-all-cells");
                run.finally(() => { window.ranAll = true; });
            }"""
        )

    def run_cell(self, at: int) -> str:
        """Run one code cell again, by its index; return the text that it printed."""
        return self.page.evaluate(
            """async (at) => {
                const { content } = window.jupyterapp.shell.currentWidget;
                content.activeCellIndex = at;
                await window.jupyterapp.commands.execute("notebook:run-cell");
                const outputs = content.model.cells.get(at).outputs.toJSON();
                return outputs.map((output) => output.text ?? "").join("");
            }""",
            at,
        )

    def scroll_to(self, at: int) -> Locator:
        """Scroll to a cell, by its index, and return it; JupyterLab draws only what is near."""
        css = f'.jp-Notebook .jp-Cell[data-windowed-list-index="{at}"]'
        self.page.wait_for_function(
            # Until it stays there: cells that are drawn later move the ones after them.
            """async ([at, css]) => {
                const moment = () => new Promise((resolve) => setTimeout(resolve, 1000));
                const { content } = window.jupyterapp.shell.currentWidget;
                const place = () => {
                    const box = document.querySelector(css)?.getBoundingClientRect();
                    const drawn = box?.height && box.bottom > 0 && box.top < window.innerHeight;
                    return drawn ? box.top : null;
                };
                const scroll = () => {
                    document.querySelector(css)?.scrollIntoView({ block: "center" });
                    return place();
                };
                if (scroll() === null)
                    await Promise.race([content.scrollToItem(at, "center"), moment()]);
                const wanted = scroll();
                await moment();
                return wanted !== null && place() === wanted && scroll() === wanted;
            }""",
            arg=[at, css],
        )
        return self.page.locator(css)

    def until_run(self, timeout: float = PATIENCE) -> None:
        """Wait until no cell is queued or running; timeout is in seconds."""
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
        """Shut down the notebook's kernel and wait until it has exited."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def close(self) -> None:
        """Close the page; its kernel stops with JupyterLab."""
        self.context.close()


@contextmanager
def screen(lab: Lab, browser: Browser, **context: object) -> Iterator[Screen]:
    """A Screen for the length of a ``with``."""
    shown = Screen(lab, browser, **context)
    try:
        yield shown
    finally:
        shown.close()


def until_answered(view: Locator) -> None:
    """Wait until a view's buttons can be pressed; while the kernel works they do nothing."""
    expect(view.locator('button[aria-disabled="true"]')).to_have_count(0)


FINISH_ANIMATIONS = """
for (const each of document.getAnimations()) {
    if (each.effect.getComputedTiming().endTime !== Infinity) each.finish();
}
"""


def faults(page: Page, css: str = ".dockyard-view") -> list[tuple[str, list[str]]]:
    """The serious and critical findings of axe-core, each with the elements concerned.

    Text that is still fading in would have too little contrast, so what fades has ended before.
    """
    page.evaluate(FINISH_ANIMATIONS)
    found = Axe().run(page, context=css).response["violations"]
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
