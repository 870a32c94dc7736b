"""The website: built with warnings as errors, and read in Chromium as a visitor reads it."""

import functools
import http.server
import re
import shutil
import threading
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

import nbformat
import pytest

from dockyard.authoring import launch_links, site
from dockyard.core import paths
from dockyard.learner_copy import course_folder
from tests.browser.conftest import chromium  # noqa: F401
from tests.browser.jupyterlab_page import faults, headless_chromium

# All of them, so that one part of a whole run has them and the site is built once.
pytestmark = pytest.mark.browser

ELSEWHERE = "https://github.com/somebody/course"
PHONE = {"viewport": {"width": 390, "height": 844}}


class Page(HTMLParser):
    """What the tests need to know about a page of the site."""

    def __init__(self, file):
        super().__init__()
        self.ids, self.links, self.loaded, self.folds, self.text = set(), [], [], 0, ""
        self.feed(file.read_text())

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.add(values.get("id"))
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif tag in ("script", "link", "img", "iframe"):
            self.loaded.append(values.get("src") or values.get("href") or "")
        elif tag == "details" and "hide" in values.get("class", ""):
            assert "open" not in values
            self.folds += 1

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the site, built once, as for a repository of that name."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_REPOSITORY", ELSEWHERE.removeprefix("https://github.com/"))
        assert site.main(folder) == 0
    return folder


@pytest.fixture(scope="module")
def pages(built):
    return {file.relative_to(built).as_posix(): Page(file) for file in built.rglob("*.html")}


def notebooks():
    return [
        file
        for folder in ("notebooks", "labs")
        for file in paths.CHECKOUT.glob(f"{folder}/*.ipynb")
    ]


def test_every_lesson_lab_and_document_is_a_page(pages):
    shown = {*notebooks(), *paths.CHECKOUT.glob("docs/*.md")}
    assert shown
    for file in shown:
        assert file.relative_to(paths.CHECKOUT).with_suffix(".html").as_posix() in pages
    assert "index.html" in pages


def test_every_link_within_the_site_leads_somewhere(built, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links + page.loaded:
            found = urlsplit(link)
            if found.scheme or (found.path == "" and found.fragment in ("", "furo-main-content")):
                continue
            target = (
                ((built / name).parent / unquote(found.path)).resolve()
                if found.path
                else built / name
            )
            anchors = pages.get(target.relative_to(built).as_posix())
            if not target.exists() or (
                found.fragment and anchors and found.fragment not in anchors.ids
            ):
                broken.append((name, link))
    assert broken == []


def test_a_broken_link_fails_the_build(tmp_path, capfd):
    shutil.copytree(site.SITE, tmp_path / "sources")
    (tmp_path / "sources" / "extra").mkdir()
    (tmp_path / "sources" / "index.md").write_text("# A page\n\n[nowhere](missing.md)\n")
    assert site.build(tmp_path / "sources", tmp_path / "made") == 1
    assert "missing.md" in capfd.readouterr().err


def test_the_site_loads_nothing_from_elsewhere(pages):
    assert [link for page in pages.values() for link in page.loaded if urlsplit(link).scheme] == []


def test_links_to_files_outside_the_site_lead_to_the_repository(pages):
    links = {link for page in pages.values() for link in page.links if link.startswith(ELSEWHERE)}
    files = [link for link in links if "/HEAD/" in link]
    assert files
    for link in files:
        path = urlsplit(link).path.partition("/HEAD/")[2]
        assert (paths.CHECKOUT / path).exists(), link


@pytest.mark.parametrize(
    "notebook", notebooks(), ids=lambda file: f"{file.parent.name}/{file.stem}"
)
def test_a_notebooks_page_launches_it_and_reports_what_is_wrong(pages, notebook):
    page = pages[f"{notebook.parent.name}/{notebook.stem}.html"]
    (binder,) = [
        link
        for link in page.links
        if link.startswith("https://mybinder.org/v2/gh/somebody/course/HEAD")
    ]
    opened = parse_qs(urlsplit(binder).query)["urlpath"][0]
    served = PurePosixPath(opened).relative_to("lab/tree")  # binder/start serves the copy
    assert served == PurePosixPath(notebook.parent.name, notebook.name)
    assert served in course_folder.pages()
    assert "https://codespaces.new/somebody/course?quickstart=1" in page.links
    assert "../index.html#start" in page.links
    (wrong,) = [link for link in page.links if link.startswith(f"{ELSEWHERE}/issues/new")]
    asked = parse_qs(urlsplit(wrong).query)
    form = (paths.CHECKOUT / ".github/ISSUE_TEMPLATE" / asked["template"][0]).read_text()
    assert "id: page" in form
    assert asked["page"] == [f"{notebook.parent.name}/{notebook.stem}"]


def test_the_first_page_says_how_to_start(pages):
    assert "start" in pages["index.html"].ids


@pytest.mark.parametrize(
    "lesson", sorted(paths.NOTEBOOKS.glob("*.ipynb")), ids=lambda file: file.stem
)
def test_a_lessons_page_has_its_outputs_and_covers_those_that_are_predicted(pages, lesson):
    page = pages[f"notebooks/{lesson.stem}.html"]
    cells = [cell for cell in nbformat.read(lesson, as_version=4).cells if cell.cell_type == "code"]
    predicted = [cell for cell in cells if cell.source.startswith("%%predict") and cell.outputs]
    assert page.folds == len(predicted)
    for cell in cells:
        for output in cell.outputs:
            if output.output_type == "stream":
                assert output.text.strip().replace("\r\n", "\n") in page.text


def test_no_page_needs_a_kernel(built):
    for file in built.rglob("*.html"):
        assert "widget-view+json" not in file.read_text()


# In Chromium


@pytest.fixture(scope="module")
def address(built):
    """The site's address while it is served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=built)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(chromium):  # noqa: F811
    with headless_chromium(chromium) as running:
        yield running


@pytest.fixture
def visit(browser, address):
    """Opens a page; at the end nothing was asked of other hosts and nothing had failed."""
    contexts, wrong = [], []

    def show(name, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("request", lambda sent: sent.url.startswith(address) or wrong.append(sent.url))
        page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{address}/{name}")
        return page

    yield show
    for context in contexts:
        context.close()
    assert wrong == []


KINDS = [  # pages of each kind; the first lesson with a live view, a table of requests and a plot
    "index.html",
    "search.html?q=volume",
    "docs/views.html",
    "labs/00-start-here.html",
    "view",
    "requests",
    "plot",
]
SIGNS = {"view": "dockyard-view", "requests": "dockyard-trace", "plot": "_images/"}


def page_of_kind(built, kind):
    if kind not in SIGNS:
        return kind
    found = [f for f in sorted(built.glob("notebooks/*.html")) if SIGNS[kind] in f.read_text()]
    return found[0].relative_to(built).as_posix()


LOOKS = {"light": {"color_scheme": "light"}, "dark phone": PHONE | {"color_scheme": "dark"}}
SEEN = [  # each page in one look; in the other one in the run of whole walks
    pytest.param(
        kind,
        LOOKS[look],
        id=f"{kind}, {look}",
        marks=pytest.mark.walkthrough if (row + column) % 2 else (),
    )
    for row, kind in enumerate(KINDS)
    for column, look in enumerate(LOOKS)
]


@pytest.mark.parametrize(("kind", "look"), SEEN)
def test_a_page_is_accessible_and_as_wide_as_the_window(built, visit, kind, look):
    page = visit(page_of_kind(built, kind), **look)
    # What is folded is read, too.
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert faults(page, "body") == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_a_reader_changes_the_theme_and_the_drawings_follow(built, visit):
    page = visit(page_of_kind(built, "view"), color_scheme="light")
    paper = page.locator(".dockyard-view svg .dy-paper").first
    colour = "element => getComputedStyle(element).fill"
    before = paper.evaluate(colour)
    toggle = page.locator(".theme-toggle-content button")
    seen = set()
    for _ in range(3):  # automatic, light, dark
        toggle.click()
        seen.add(paper.evaluate(colour))
    assert before in seen
    assert len(seen) == 2


def test_a_reader_finds_a_lesson_by_a_word(visit):
    page = visit("search.html?q=container")
    page.locator("#search-results li a").first.wait_for()
    found = page.locator("#search-results li a").evaluate_all("all => all.map(a => a.href)")
    assert any("/notebooks/" in link for link in found)


def test_a_covered_output_shows_when_the_reader_opens_it(built, visit):
    folded = [f for f in sorted(built.glob("notebooks/*.html")) if Page(f).folds]
    page = visit(folded[0].relative_to(built).as_posix())
    fold = page.locator("details.hide").first
    output = fold.locator("pre, table, svg, img").first
    assert not output.is_visible()
    fold.locator("summary").click()
    output.wait_for(state="visible")


# The repository's address


def test_one_command_moves_every_link_to_another_repository(tmp_path, monkeypatch):
    for name in ("README", "PROJECT"):
        copy = tmp_path / getattr(launch_links, name).name
        shutil.copy(getattr(launch_links, name), copy)
        monkeypatch.setattr(launch_links, name, copy)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    old = launch_links.named()
    assert launch_links.main([old, "--check"]) == 0
    assert launch_links.main(["somebody/course", "--check"]) == 1
    assert launch_links.main(["somebody/course"]) == 0
    assert launch_links.repository() == ELSEWHERE
    assert old not in launch_links.README.read_text()
    assert launch_links.binder() in launch_links.README.read_text()


def test_the_readmes_launches_are_those_of_the_site(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    readme = launch_links.README.read_text()
    assert launch_links.binder() in readme
    assert launch_links.codespaces() in readme
    assert re.search(rf"git clone {launch_links.repository()}\b", readme)
