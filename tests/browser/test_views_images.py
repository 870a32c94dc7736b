"""Layers, builds, pulls and registries in JupyterLab, with the keyboard only."""

import secrets
import urllib.request

import pytest
from playwright.sync_api import expect

from tests.browser.jupyterlab_page import ENLARGED, THEMES, faults, until_answered
from tests.support.scene import LESSON

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

BEGIN = (
    "%load_ext dockyard\nimport os\nfrom dockyard import course, views\n"
    # Not begun anew by %lesson, which would take away what the test has made.
    f"os.environ.update(course.environment({LESSON!r}))"
)
PULLED = "redis:8"
WORKS = ("views-test:1", "views-test:2", PULLED)

VIEWS = """
import time
from pathlib import Path
from dockyard.views import build_view, pull_view

class WhenSeen:
    # Begins only when the test has seen the view on the page, however slow the page is.
    def messages(self):
        while not (Path({folder!r}) / self.title.split()[1].replace(":", "-")).exists():
            time.sleep(0.05)
        return super().messages()

class Build(WhenSeen, build_view.Build):
    _esm, _css = build_view.Build._esm, build_view.Build._css

class Pull(WhenSeen, pull_view.Pull):
    _esm, _css = pull_view.Pull._esm, pull_view.Pull._css
"""

WATCH = """() => {
    window.seen = { build: new Set(), pull: new Set(), parts: new Set() };
    const look = () => {
        for (const row of document.querySelectorAll(".dockyard-progress li")) {
            const title = row.closest("section").querySelector(".dy-title").textContent;
            const work = title.startsWith("Pulling") ? "pull" : "build";
            window.seen[work].add(`${row.dataset.key} ${row.dataset.state}`);
            const bar = row.querySelector("progress");
            if (!bar.hidden) window.seen.parts.add(bar.value);
        }
    };
    new MutationObserver(look).observe(document.body,
        { subtree: true, childList: true, attributes: true });
}"""
"""Records every state and every progress value that the page showed while the cells ran."""


@pytest.fixture
def harbour(scene):
    """The address of a registry with one image."""
    scene.docker("run", "--detach", "--name", "harbour", "--publish", "127.0.0.1::5000",
                 "registry:2")  # fmt: skip
    address = scene.docker("port", "harbour", "5000").splitlines()[0]

    def answers():
        try:
            return urllib.request.urlopen(f"http://{address}/v2/", timeout=2)
        except OSError:
            return False

    scene.until("the registry to answer", answers)
    scene.docker("pull", "--quiet", "busybox")
    push(scene, f"{address}/boat:1")
    yield address
    for tag in ("1", "2"):
        scene.docker("rmi", f"{address}/boat:{tag}", check=False)


def push(scene, name):
    scene.docker("tag", "busybox", name)
    scene.docker("push", "--quiet", name)


@pytest.fixture
def folder(tmp_path):
    """A folder with two Dockerfiles: one that works, one that fails halfway."""
    base = f"FROM busybox\nLABEL dockyard.lesson={LESSON}\nRUN echo {secrets.token_hex(4)}\n"
    (tmp_path / "Dockerfile").write_text(f"{base}RUN echo done\n")
    (tmp_path / "Broken").write_text(f"{base}RUN cat /missing\nRUN echo never\n")
    return tmp_path


def tab_to(page, words, most=25):
    """Press Tab until the focused element contains words."""
    for _ in range(most):
        page.keyboard.press("Tab")
        said = page.evaluate(
            "() => `${document.activeElement?.textContent} ${document.activeElement?.ariaLabel}`"
        )
        if words in said:
            return
    raise AssertionError(f"{most} times Tab did not lead to {words!r}")


def view(page, title):
    return page.locator(".dockyard-view:visible").filter(
        has=page.locator(".dy-title", has_text=title)
    )


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({}, id="as it is", marks=pytest.mark.walkthrough),
        pytest.param(ENLARGED, id="at 200 percent"),
    ],
)
def test_images_are_seen_while_they_are_built_pulled_and_written_on(
    lab, page_of, scene, harbour, folder, context
):
    scene.docker("run", "--detach", "--name", "boat", "busybox", "sleep", "1000")
    scene.docker("rmi", PULLED, check=False)
    cells = [
        BEGIN + VIEWS.format(folder=str(folder)),
        f"Build({str(folder)!r}, 'views-test:1').run()",
        f"Build({str(folder)!r}, 'views-test:2', dockerfile='Broken').run()",
        f"Pull({PULLED!r}).run()",
        "views.layers('busybox', 'boat')",
        f"views.registry_browser({harbour!r})",
    ]
    screen = page_of(lab.write(f"images-{secrets.token_hex(3)}.ipynb", cells), **context)
    page = screen.page
    page.evaluate(WATCH)
    screen.start_all()
    for name in WORKS:
        expect(view(page, name)).to_have_count(1)
        (folder / name.replace(":", "-")).touch()
    screen.until_run()

    # Progress is seen while it is made, and once, although the cell has it as its value, too.
    for name in WORKS:
        expect(view(page, name)).to_have_count(1)
    cells = page.locator(".jp-OutputArea", has=page.locator(".dockyard-progress"))
    assert cells.count() >= len(WORKS)
    for cell in cells.all():
        expect(cell.locator(".jp-OutputArea-child:visible")).to_have_count(1)
    seen = {
        work: set(each)
        for work, each in page.evaluate(
            "() => ({ build: [...seen.build], pull: [...seen.pull], parts: [...seen.parts] })"
        ).items()
    }
    assert {"4 works", "4 done", "4 failed", "3 kept"} <= seen["build"]
    assert any(state.endswith(" works") for state in seen["pull"])
    assert any(0 < part < 1 for part in seen["parts"])
    expect(view(page, "views-test:1").locator(".dy-end")).to_contain_text("built views-test:1")
    broken = view(page, "views-test:2")
    expect(broken.locator(".dy-output")).to_have_text("cat: can't open '/missing': "
                                                      "No such file or directory")  # fmt: skip
    expect(broken.locator(".dy-end")).to_contain_text("returned a non-zero code: 1")
    expect(broken.get_by_role("log")).to_contain_text("failed")
    expect(broken).not_to_contain_text("echo never")
    expect(view(page, PULLED).locator(".dy-end")).to_contain_text("pulled: ")

    look_at_layers(page, scene)
    read_registry(page, scene, harbour)

    for theme in THEMES:
        screen.theme(theme)
        assert faults(page) == [], theme
    for each in page.locator(".dockyard-view:visible").all():
        assert each.evaluate("node => node.scrollWidth - node.clientWidth") <= 1


def look_at_layers(page, scene):
    layers = view(page, "Layers of")
    expect(layers.locator(".dy-same")).to_have_text(
        ["the same layer as in boat", "the same layer as in busybox"]
    )
    expect(layers).not_to_contain_text("/written")
    scene.docker("exec", "boat", "touch", "/written")
    expect(layers).to_contain_text("/written")
    expect(layers.get_by_role("log")).to_contain_text("boat has written on top: 1 added.")
    # No event tells what a container writes by itself.
    summary = layers.locator(".dy-layer summary").first
    summary.focus()
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    expect(layers.locator("details").first).to_have_attribute("open", "")
    expect(layers.locator("details").first).to_contain_text("/bin/")
    tab_to(page, "Look again")
    page.keyboard.press("Enter")
    expect(layers.get_by_role("log")).to_contain_text("Nothing has changed.")
    expect(layers.get_by_role("button", name="Look again")).to_be_focused()


def read_registry(page, scene, harbour):
    browser = view(page, "Registry")
    browser.get_by_role("button", name="boat").focus()
    page.keyboard.press("Enter")
    # A repository's only tag is chosen with it.
    expect(browser.locator('[data-kind="parts"]')).to_contain_text("1 layer")
    until_answered(browser)
    tab_to(page, "layer 1")
    page.keyboard.press("Enter")
    expect(browser.locator(".dy-open")).to_contain_text("/bin/busybox")
    until_answered(browser)
    tab_to(page, "layer: ")
    push(scene, f"{harbour}/boat:2")
    tab_to(page, "Look again")
    page.keyboard.press("Enter")
    tags = browser.locator('[data-kind="tags"] button')
    expect(tags).to_have_text(["1", "2"])
    tab_to(page, "In words")
    page.keyboard.press("Enter")
    expect(browser.locator(".dy-words")).to_contain_text("tags of boat: 1, 2")
