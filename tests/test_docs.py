"""The documentation names files, commands and headings that exist."""

import ast
import re

import pytest

from dockyard.core import paths

PAGES = [
    paths.CHECKOUT / "README.md",
    paths.CHECKOUT / "CONTRIBUTING.md",
    paths.CHECKOUT / "SECURITY.md",
    *sorted((paths.CHECKOUT / "docs").glob("*.md")),
]
FOLDERS = (
    "dockyard",
    "tests",
    "docs",
    "notebooks",
    "labs",
    "solutions",
    "benchmarks",
    "binder",
    "classroom",
)
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./*-]*[\w/*]")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
EXAMPLES = re.compile(r"NAME|NN-|17-security|my_view|/path/")
"""Words of paths that stand for a learner's own."""

EXCEPTIONS = {("labs", "notebook"), ("authoring", "commands")}
"""The imports against the direction of the map; it explains them."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page):
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@each_page
def test_every_path_that_a_page_names_exists(page):
    named = {path for path in PATH.findall(page.read_text()) if not EXAMPLES.search(path)}
    missing = [path for path in named if not any(paths.CHECKOUT.glob(path.rstrip("/")))]
    assert missing == []


@each_page
def test_every_link_leads_to_a_file_and_a_heading(page):
    found = [link or picture for link, picture in LINK.findall(page.read_text())]
    broken = []
    for link in found:
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def packages():
    """The packages and modules in the map's table, in its order."""
    text = (paths.CHECKOUT / "docs" / "architecture.md").read_text()
    return re.findall(r"^\| `dockyard/(\w+)(?:\.py)?` \|", text, re.MULTILINE)


def imported(file):
    """The packages of the course that a module imports from."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dockyard":
            _, _, rest = node.module.partition(".")
            yield from [rest.partition(".")[0]] if rest else [name.name for name in node.names]


def test_the_map_names_every_package():
    folders = {path.parent.name for path in (paths.CHECKOUT / "dockyard").glob("*/__init__.py")}
    assert folders <= set(packages())


def test_packages_import_only_from_those_above_them_in_the_map():
    order = packages()
    wrong = {
        (package, name)
        for at, package in enumerate(order)
        for pattern in (f"{package}.py", f"{package}/**/*.py")
        for file in (paths.CHECKOUT / "dockyard").glob(pattern)
        for name in imported(file)
        if name in order[at + 1 :]
    }
    assert wrong == EXCEPTIONS
