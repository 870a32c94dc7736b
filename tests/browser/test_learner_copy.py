"""The learner's copy in JupyterLab with the course's settings, before anything has run."""

import os
import re
import secrets
import subprocess
import sys
from contextlib import suppress

import nbformat
import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

from dockyard import course
from dockyard.core import paths, ports, wait
from dockyard.jupyter import jupyter_environment
from dockyard.learner_copy import course_folder, page_text
from tests.browser.jupyterlab_page import PATIENCE, Lab, faults, screen

pytestmark = pytest.mark.browser

OPEN = """async (path) => {
    const { commands, shell } = window.jupyterapp;
    const before = shell.currentWidget;
    const opened = await commands.execute("docmanager:open", {
        // Kernels would take most of the time.
        path, kernelPreference: { shouldStart: false, autoStartDefault: false },
    });
    if (before === opened) return;
    // JupyterLab writes metadata of the kernel, and would ask whether to save it.
    if (before?.context?.model.dirty) await before.context.save();
    before?.close();
}"""

DRAWN = """(path) => {
    const panel = window.jupyterapp.shell.currentWidget;
    const drawn = panel?.content?.node.querySelectorAll(".jp-Cell").length;
    return panel?.context?.path === path && drawn && drawn === panel.content.model?.cells.length
        && !panel.content.node.querySelector(".jp-Cell-Placeholder");
}"""

FACTS = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = [...panel.content.model.cells];
    const code = cells.filter((cell) => cell.type === "code");
    const wide = (css) => [...panel.node.querySelectorAll(css)]
        .filter((node) => node.scrollWidth > node.clientWidth + 1)
        .map((node) => node.textContent.slice(0, 80));
    return {
        ran: code.filter((cell) => cell.outputs.length || cell.executionCount).map(({ id }) => id),
        untrusted: code.filter((cell) => !cell.trusted).map(({ id }) => id),
        views: panel.node.querySelectorAll(".dockyard-view, .dockyard-form").length,
        answered: cells.filter((cell) => (cell.getMetadata("tags") ?? []).includes("your-turn")
            && cell.sharedModel.source).map(({ id }) => id),
        overflows: wide(".jp-WindowedPanel-outer, .jp-RenderedMarkdown, .cm-scroller"),
        pictures: [...panel.node.querySelectorAll("img")]
            .filter((node) => !node.naturalWidth).map((node) => node.src),
    };
}"""

SETTLED = f"""() => {{
    const panel = window.jupyterapp.shell.currentWidget;
    // Chromium drops requests when a network comes or goes, so a picture is asked for again.
    for (const image of panel.node.querySelectorAll("img"))
        if (image.complete && !image.naturalWidth && image.src.includes("/files/"))
            image.src = image.src;
    const {{ overflows, pictures }} = ({FACTS})();
    return !overflows.length && !pictures.length;
}}"""
"""Pictures arrive and make room for themselves after the text."""

SETTLING = 30
"""Seconds for it; what is wrong after them is wrong for good."""


class CourseLab(Lab):
    """JupyterLab as ``learn`` starts it, on a learner's copy in a home of its own."""

    def __init__(self, folder, *options):
        self.root = course_folder.update(print)
        self.port = ports.choose(0)
        self.token = secrets.token_hex(16)
        self.log = folder / "jupyterlab.log"
        argv = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            f"--ServerApp.port={self.port}", f"--IdentityProvider.token={self.token}",
            "--LabApp.expose_app_in_browser=True", *options,
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                argv, env=jupyter_environment.whole(), stdout=log, stderr=log, cwd=self.root
            )
        self._until_it_answers()


STRANGERS = {
    ".jupyter/jupyter_server_config.py": "raise SystemExit('the learner’s own config')",
    ".jupyter/lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings": (
        '{"theme": "JupyterLab Dark"}'
    ),
    ".local/share/jupyter/kernels/python3/kernel.json": (
        '{"argv": ["false"], "display_name": "mine", "language": "python"}'
    ),
    ".ipython/profile_default/startup/00-mine.py": "raise SystemExit('my start-up')",
    ".bashrc": "export DOCKER_HOST=unix:///mine.sock PATH=/mine; echo mine",
    ".bash_profile": "export DOCKER_HOST=unix:///mine.sock PATH=/mine; echo mine",
}
"""The files of a user whose own Jupyter, IPython and shell would all disturb the course."""


def files(folder):
    return sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
    )


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """That user's home."""
    home = tmp_path_factory.mktemp("stranger")
    for name, text in STRANGERS.items():
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return home


@pytest.fixture(scope="module")
def shown(tmp_path_factory, browser, stranger):
    """The first page, in a window of JupyterLab."""
    folder = tmp_path_factory.mktemp("copy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(stranger))
        patch.setenv("DOCKYARD_HOME", str(folder / "home"))
        course.prepare_home()
        # Else JupyterLab draws a page piece by piece, whenever the computer has nothing to do.
        settings = paths.jupyter() / "settings" / "@jupyterlab" / "notebook-extension"
        settings.mkdir(parents=True)
        (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
        with CourseLab(folder) as lab, screen(lab, browser) as window:
            window.load("lab")
            yield window


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(4, id="one page in four"),
        pytest.param(1, id="all pages", marks=pytest.mark.walkthrough),
    ],
)
def seen(shown, request):
    """What is seen on pages of the copy."""
    page, found = shown.page, {}
    for each in course_folder.pages()[:: request.param]:
        page.evaluate(OPEN, str(each))
        page.wait_for_function(DRAWN, arg=str(each))
        with suppress(PlaywrightTimeout):
            page.wait_for_function(SETTLED, timeout=SETTLING * 1000, polling=100)
        found[str(each)] = page.evaluate(FACTS)
    return found


def test_it_opens_at_the_first_lesson_without_a_question(shown):
    expect(shown.page.locator(".jp-Notebook h1").first).to_be_visible()
    assert shown.page.evaluate("document.title").startswith("00-start")
    expect(shown.page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)


def test_the_side_bar_has_the_whole_title_of_each_lesson_and_its_lab(shown):
    panel = shown.page.locator("#dockyard-course")
    expect(panel.locator("li").first).to_be_visible()
    titles = panel.locator(".dockyard-lesson").all_text_contents()
    assert len(titles) == len({page.stem for page in course_folder.pages()})
    for page, shown_title in zip(
        [page for page in course_folder.pages() if page.parent.name == "notebooks"], titles,
        strict=False,
    ):  # fmt: skip
        first = nbformat.read(paths.CHECKOUT / page, as_version=4).cells[0].source.splitlines()[0]
        assert first.removeprefix("# ").replace("`", "") in shown_title
        assert shown_title.startswith(page.name[:2])
    cut = panel.locator("button").evaluate_all(
        "nodes => nodes.filter((node) => node.scrollWidth > node.clientWidth + 1).length"
    )
    assert cut == 0
    assert faults(shown.page, "#dockyard-course") == []


def test_the_console_has_no_error(shown):
    assert shown.errors == []


def test_nothing_has_run_and_nothing_is_answered(seen):
    assert {page: each for page, each in seen.items() if each["ran"] or each["answered"]} == {}
    assert sum(each["views"] for each in seen.values()) == 0


def test_every_page_is_trusted(seen):
    assert {page: each["untrusted"] for page, each in seen.items() if each["untrusted"]} == {}


def test_nothing_overflows_and_every_picture_is_there(seen):
    wrong = {
        page: each["overflows"] + each["pictures"]
        for page, each in seen.items()
        if each["overflows"] or each["pictures"]
    }
    assert wrong == {}


def test_a_lesson_leads_to_its_lab_and_back_with_one_click(shown):
    page = shown.page
    page.locator("#dockyard-course .dockyard-lesson", has_text="08 ").click()
    current = page.locator("#dockyard-course [aria-current=page]")
    expect(current).to_have_text(re.compile("^08 "))
    page.locator("#dockyard-course li[data-open] .dockyard-lab").click()
    expect(current).to_have_text(re.compile("^Lab "))
    expect(page.get_by_role("tab", name="Lab 08-registries.ipynb")).to_be_visible()
    front = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    front.get_by_role("link", name="08 registries", exact=True).click()
    expect(current).to_have_text(re.compile("^08 "))


def test_opening_and_saving_is_no_change_of_the_learners(shown, seen):
    shown.page.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.context.save(); }"
    )
    for page in course_folder.pages():
        copied = (shown.lab.root / page).read_bytes()
        source = (paths.CHECKOUT / page).read_text()
        fresh = page_text.make(source, page, set(course_folder.pages()))
        assert page_text.fingerprint(copied, page) == page_text.fingerprint(fresh.encode(), page)


def test_a_terminal_beside_a_lesson_that_has_begun_is_in_its_folder(shown):
    page = shown.page
    work = shown.lab.root / "notebooks" / "work" / "08-registries"
    work.mkdir(parents=True)
    page.locator("#dockyard-course .dockyard-lesson", has_text="08 ").click()
    expect(page.locator("#dockyard-course [aria-current=page]")).to_have_text(re.compile("^08 "))
    page.get_by_role("button", name="Open a terminal beside the page").click()
    expect(page.locator(".jp-Terminal")).to_be_visible()
    answer = shown.lab.root / "answer.txt"
    command = (
        'echo "$PWD|${DOCKER_HOST-unset}|$DOCKER_CONFIG|$(command -v python3)" > '
        f"{answer}.part && mv {answer}.part {answer}"
    )
    page.locator(".jp-Terminal textarea").focus()
    page.keyboard.type(command)
    page.keyboard.press("Enter")
    wait.until("the command to run", answer.exists, PATIENCE)
    folder, host, config, python = answer.read_text().strip().split("|")
    assert folder == str(work)
    assert host == "unset"
    assert config == str(paths.docker_config())
    assert os.path.samefile(python, sys.executable)
    notebook = page.locator(".jp-NotebookPanel:visible").bounding_box()
    terminal = page.locator(".jp-Terminal").bounding_box()
    assert terminal["x"] >= notebook["x"] + notebook["width"]


def test_a_kernel_and_the_settings_are_the_courses_and_not_the_learners(shown, stranger):
    page = shown.page
    said = page.evaluate(
        """async () => {
            const { kernels } = window.jupyterapp.serviceManager;
            const kernel = await kernels.startNew({ name: "python3" });
            const future = kernel.requestExecute({ code: "import sys; print(sys.executable)" });
            let text = "";
            future.onIOPub = ({ content }) => { text += content.text ?? ""; };
            await future.done;
            await kernel.shutdown();
            return text.trim();
        }"""
    )
    assert os.path.samefile(said, sys.executable)
    assert page.locator("body").get_attribute("data-jp-theme-name") == "JupyterLab Light"
    # Chromium and matplotlib may write to a home; Jupyter, IPython and what they run may not.
    others = (".cache/", ".config/", ".pki/")
    assert [file for file in files(stranger) if not file.startswith(others)] == sorted(STRANGERS)


def test_a_page_that_the_address_names_is_opened_alone(shown, browser):
    """As a link to Binder does, in a window of its own."""
    with screen(shown.lab, browser) as other:
        lesson = "notebooks/05-storage.ipynb"
        other.load(f"lab/workspaces/link/tree/{lesson}")
        other.page.wait_for_function(DRAWN, arg=lesson)
        expect(other.page.locator("#dockyard-course [aria-current=page]")).to_have_text(
            re.compile("^05 ")
        )
        expect(other.page.locator(".jp-NotebookPanel")).to_have_count(1)


@pytest.mark.parametrize("script", ["anywidget/static/*", "dockyard-cells/static/*"])
def test_a_page_that_lost_an_extension_is_loaded_again(shown, browser, script):
    """As when the engine makes a network, and Chromium drops what it is loading."""
    with screen(shown.lab, browser) as other:
        dropped = []

        def drop(route):
            if dropped:
                route.continue_()
            else:
                dropped.append(route.request.url)
                route.abort("failed")

        other.page.route(f"**/{script}", drop)
        other.load("lab/workspaces/dropped/tree/notebooks/05-storage.ipynb")
        other.page.wait_for_function(
            """() => ["anywidget:plugin", "dockyard-cells:plugin"].every(
                (plugin) => window.jupyterapp?.hasPlugin(plugin))"""
        )
        assert len(dropped) == 1


def test_a_page_without_an_extension_is_loaded_again_only_once(shown, browser):
    with screen(shown.lab, browser) as other:
        loads = []
        other.page.on("load", lambda page: loads.append(page.url))
        other.page.route("**/anywidget/static/*", lambda route: route.abort("failed"))
        other.load("lab/workspaces/without/tree/notebooks/05-storage.ipynb")
        expect(other.page.locator("#dockyard-course [aria-current=page]")).to_have_text(
            re.compile("^05 ")
        )
        assert len(loads) == 2
