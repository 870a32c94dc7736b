"""Views in JupyterLab: both themes, enlarged, with the keyboard only."""

import secrets
from contextlib import closing

import pytest
from playwright.sync_api import expect

from dockyard import cleanup
from dockyard.core import docker_client, wait
from tests.browser.jupyterlab_page import ENLARGED, PATIENCE, faults, until_answered
from tests.support.scene import LESSON

pytestmark = [pytest.mark.browser, pytest.mark.engine]

BEGIN = f"%load_ext dockyard\n%lesson {LESSON}"
SERVE = ["sh", "-c", "httpd -f -p 127.0.0.1:81 & exec httpd -f -p 80"]
VIEWS = {"panel": "panel()", "life-cycle": 'life_cycle("web")', "network-map": "network_map()"}


def notebook(lab, *calls):
    """Write a notebook with a lesson's first cell and some views; return its path."""
    cells = [BEGIN, *(f"from dockyard import views\nviews.{call}" for call in calls)]
    return lab.write(f"views-{secrets.token_hex(3)}.ipynb", cells)


def item(page, name):
    """A container's box in the panel."""
    return page.locator('.dockyard-panel [data-kind="containers"] li').filter(has_text=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theme", "context"),
    [("light", {}), ("dark", ENLARGED)],
    ids=["light", "dark at 200 percent"],
)
def test_each_view_changes_when_a_container_starts_and_dies(lab, page_of, scene, theme, context):
    screen = page_of(notebook(lab, *VIEWS.values()), **context)
    screen.theme(theme)
    screen.run_all()
    page = screen.page
    views = page.locator(".dockyard-view")
    expect(views).to_have_count(3)
    log = views.nth(0).get_by_role("log")
    assert log.get_attribute("aria-live") == "polite"
    expect(views.nth(1)).to_contain_text("Life cycle of web: removed")

    scene.run("web", "--publish", "127.0.0.1::80")
    expect(item(page, "web")).to_have_attribute("data-state", "running")
    expect(log).to_contain_text("web is running.")
    expect(views.nth(1).locator(".dy-title")).to_have_text("Life cycle of web: running")
    expect(views.nth(1).locator('.dy-here[data-key="state/running"]')).to_have_count(1)
    expect(views.nth(2).locator('[data-key="container/web"]')).to_contain_text("running")
    expect(views.nth(2).locator('[data-key="line/web/bridge"]')).to_have_count(1)
    assert faults(page) == []

    scene.docker("kill", "web")
    expect(item(page, "web")).to_have_attribute("data-state", "exited")
    expect(log).to_contain_text("web has exited with code 137.")
    expect(views.nth(1).locator('.dy-here[data-key="state/exited"]')).to_have_count(1)
    expect(views.nth(1)).to_contain_text("docker start web")
    expect(views.nth(2).locator('[data-key="container/web"]')).to_contain_text("exited")

    scene.docker("rm", "web")
    expect(item(page, "web")).to_have_count(0)
    expect(views.nth(1).locator(".dy-title")).to_have_text("Life cycle of web: removed")
    # Nothing is wider than its place, but for pictures, which can be scrolled.
    for view in views.all():
        assert view.evaluate("node => node.scrollWidth - node.clientWidth") <= 1
    assert faults(page) == []


@pytest.fixture
def guestbook(lab):
    """A notebook with the guestbook in a frame; its objects are removed afterwards."""
    lesson = "02-basic-commands"
    yield lab.write(
        f"frame-{secrets.token_hex(3)}.ipynb",
        [
            f"%load_ext dockyard\n%lesson {lesson} --fresh",
            "!docker run --detach --name book --publish 127.0.0.1:8081:8000 guestbook:1",
            "from dockyard import views\nviews.page(8081)",
        ],
    )
    with closing(docker_client.connect()) as daemon:
        cleanup.remove(daemon, lesson=lesson)


@pytest.mark.slow
def test_the_guestbook_can_be_signed_in_its_frame(guestbook, page_of):
    screen = page_of(guestbook)
    screen.run_all()
    frame = screen.page.frame_locator(".jp-OutputArea iframe")
    frame.get_by_label("Your name").fill("Ada")
    frame.get_by_label("A sentence").fill("Hello")
    frame.get_by_role("button").click()
    expect(frame.locator("article")).to_have_text("Ada Hello")
    style = "node => getComputedStyle(node).borderBottomWidth"
    assert frame.locator("h1").evaluate(style) == "4px", "its style sheet is loaded, too"


@pytest.mark.slow
def test_a_frame_shows_the_page_as_it_is_now(lab, page_of, scene):
    # Chromium keeps a page that is this old without asking the server again.
    serve = "echo before > /index.html; touch -d 2020-01-01 /index.html; exec httpd -f -h /"
    scene.run("web", "--publish", "127.0.0.1:8095:80", command=("sh", "-c", serve))
    call = "from dockyard import views\nviews.page(8095)"
    screen = page_of(lab.write(f"frame-{secrets.token_hex(3)}.ipynb", [call, call]))
    frames = screen.page.frame_locator(".jp-OutputArea iframe")
    screen.run_cell(0)
    expect(frames.locator("body")).to_have_text("before")
    scene.docker("exec", "web", "sh", "-c", "echo after > /index.html")
    screen.run_cell(1)
    expect(frames.nth(1).locator("body")).to_have_text("after")


@pytest.mark.slow
def test_a_connection_can_be_tried_with_the_keyboard_only(lab, page_of, scene):
    scene.docker("network", "create", "back")
    for name, command in (("store", SERVE), ("web", ["sleep", "1000"])):
        scene.docker(
            "run", "--detach", "--init", "--name", name, "--network", "back", "busybox", *command
        )
    # Not begun anew by %lesson, which would take the containers away.
    begin = (
        "%load_ext dockyard\nimport os\nfrom dockyard import course\n"
        f"os.environ.update(course.environment({LESSON!r}))"
    )
    name = lab.write("keyboard.ipynb", [begin, "from dockyard import views\nviews.network_map()"])
    screen = page_of(name)
    page = screen.page
    keys = page.keyboard
    page.locator(".jp-Cell").first.click()
    keys.press("Escape")
    keys.press("Shift+Enter")
    # Shift+Enter would add a cell below the last one.
    keys.press("Control+Enter")
    view = page.locator(".dockyard-network-map")
    expect(view).to_be_visible()
    screen.until_run()

    def focused(name):
        return page.evaluate("name => document.activeElement?.name === name", name)

    # The learner tabs on until the form is reached.
    view.locator(".dy-picture").focus()
    for _ in range(6):
        if focused("source"):
            break
        keys.press("Tab")
    assert focused("source")
    keys.press("w")
    expect(view.locator("[name=source]")).to_have_value("web")
    keys.press("Tab")
    assert focused("target")
    keys.press("s")
    expect(view.locator("[name=target]")).to_have_value("store")
    keys.press("Tab")
    assert focused("port")
    keys.press("Control+a")
    keys.type("81")
    keys.press("Enter")
    result = view.locator(".dy-result")
    expect(result).to_contain_text("web → store, port 81: no")
    expect(result).to_contain_text("127.0.0.1 only")
    assert result.get_attribute("role") == "status"
    keys.press("Control+a")
    keys.type("80")
    keys.press("Tab")
    keys.press("Enter")
    expect(result).to_contain_text("web → store, port 80: yes")
    # The keys were for the form alone: the notebook has no cell more or less.
    expect(page.locator(".jp-CodeCell")).to_have_count(2)
    # What the picture says can be unfolded, too.
    for _ in range(4):
        if page.evaluate("document.activeElement?.tagName") == "SUMMARY":
            break
        keys.press("Tab")
    keys.press("Enter")
    expect(view.locator(".dy-words")).to_be_visible()
    expect(view.locator(".dy-words")).to_contain_text("back: store, web")
    assert faults(page) == []


def test_with_reduced_motion_a_change_is_still_visible(lab, page_of, scene):
    screen = page_of(notebook(lab, "panel()"))
    screen.page.emulate_media(reduced_motion="reduce")
    screen.run_all()
    page = screen.page
    expect(page.locator(".dockyard-panel")).to_be_visible()
    page.evaluate(
        """() => {
            const panel = document.querySelector(".dockyard-panel");
            window.seen = { outlines: 0, animations: 0 };
            new MutationObserver(() => {
                for (const node of panel.querySelectorAll(".dy-new, .dy-changed")) {
                    window.seen.outlines += getComputedStyle(node).outlineStyle === "solid";
                    window.seen.animations += node.getAnimations().length;
                }
            }).observe(panel, { subtree: true, childList: true, attributes: true });
        }"""
    )
    scene.run("web")
    expect(item(page, "web")).to_have_attribute("data-state", "running")
    seen = page.evaluate("window.seen")
    assert seen["outlines"] > 0
    assert seen["animations"] == 0


def test_a_registry_can_be_browsed_with_the_keyboard(lab, page_of):
    screen = page_of(notebook(lab, "registry_browser()"))
    screen.run_all()
    page = screen.page
    view = page.locator(".dockyard-registry-browser, .dockyard-view").first
    view.get_by_role("button", name="library/busybox").focus()
    page.keyboard.press("Enter")
    tag = view.get_by_role("button", name="latest")
    expect(tag).to_be_visible()
    until_answered(view)
    tag.focus()
    page.keyboard.press("Enter")
    expect(view.locator('[data-kind="parts"]')).to_be_visible()
    assert faults(page) == []


def test_a_view_stops_when_its_cell_is_cleared_or_run_again(lab, page_of, scene):
    """The kernel reports how many views follow the daemon."""
    watched = "print('watched:', len(views.events.STREAM._listeners))"
    cells = [BEGIN, "from dockyard import views\nviews.panel()", watched]
    screen = page_of(lab.write("rest.ipynb", cells))
    screen.run_all()
    page = screen.page
    assert screen.run_cell(2) == "watched: 1\n"
    # The page says that the old view has gone while the cells after it are queued already.
    for _ in range(2):
        screen.run_all()
        expect(page.locator(".dockyard-panel")).to_have_count(1)
        until_watched(screen, 1)
    page.locator(".jp-CodeCell").nth(1).click(position={"x": 5, "y": 5})
    screen.command("notebook:clear-cell-output")
    expect(page.locator(".dockyard-panel")).to_have_count(0)
    until_watched(screen, 0)


def until_watched(screen, count):
    """Wait until the kernel follows the daemon for exactly so many views."""
    wanted = f"watched: {count}\n"
    wait.until(wanted, lambda: screen.run_cell(2) == wanted, PATIENCE)
    assert screen.run_cell(2) == wanted


def test_a_static_page_has_the_picture_and_shows_the_words(lab, page_of):
    screen = page_of("notebooks/03-containers.ipynb", kernel=False)
    # The first cell may be shown before the others are there.
    found = screen.page.wait_for_function(
        """() => {
            const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
            const at = cells.findIndex((each) => each.id === "life-cycle");
            return at >= 0 && [at, cells[at].outputs.get(0).data["image/svg+xml"]];
        }"""
    )
    at, source = found.json_value()
    assert "<title>Life cycle of book: removed</title>" in source
    # JupyterLab draws pictures only of notebooks that were run here; before that it has the words.
    cell = screen.scroll_to(at)
    expect(cell.get_by_text("Life cycle of book: removed").first).to_be_visible()
