"""Builds the website: lessons with their stored outputs, labs and documentation as static pages.

``python -m dockyard.authoring.site [FOLDER]``, by default ``build/site``. Needs the packages of
the extra ``site``, which ``test`` installs, too. Nothing is executed. The pages keep their paths in
the checkout, so links between them stay as they are; links to other files lead to GitHub. Sphinx's
settings are in ``site/conf.py``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from dockyard.authoring import launch_links
from dockyard.core import paths

SITE = paths.CHECKOUT / "site"
CHAPTERS = {
    "Lessons": ["notebooks/*.ipynb"],
    "Labs": ["labs/*.ipynb"],
    "Guide": ["docs/*.md", "benchmarks/RESULTS.md", "CONTRIBUTING.md", "CHANGELOG.md"],
}
"""The pages besides README.md, which becomes the first one."""

LESSON_PICTURES = paths.NOTEBOOKS / "pictures"

LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">\s*'
    r"<img ([^>]*)>\s*</picture>"
)
LIVE = "application/vnd.jupyter.widget-view+json"
SERVED = re.compile(r'(?:src|href)="/')
"""An address on the learner's own Jupyter server, which passes on the page of a container."""


def main(folder: Path) -> int:
    """Build the site into a folder; return the exit code of Sphinx."""
    if not importlib.util.find_spec("sphinx"):
        print(
            "The website needs Sphinx, which is not installed.\n"
            "Install it:  .venv/bin/python -m pip install --requirement requirements-test.txt",
            file=sys.stderr,
        )
        return 1
    with tempfile.TemporaryDirectory() as made:
        write_sources(Path(made))
        return build(Path(made), folder)


def build(sources: Path, folder: Path) -> int:
    """Run Sphinx on what write_sources() wrote; a warning is an error. Returns its exit code."""
    command = [
        *(sys.executable, "-m", "sphinx", "--builder", "html", "--quiet", "--fail-on-warning"),
        *("--doctree-dir", str(sources / ".doctrees"), str(sources), str(folder)),
    ]
    return subprocess.run(command, check=False).returncode


def write_sources(folder: Path) -> None:
    """Write settings and pages into an empty folder, as Sphinx with MyST-NB reads them."""
    shutil.copytree(SITE, folder, dirs_exist_ok=True)
    pages = {
        caption: [file for pattern in patterns for file in sorted(paths.CHECKOUT.glob(pattern))]
        for caption, patterns in CHAPTERS.items()
    }
    shown = {file for files in pages.values() for file in files} | {launch_links.README}
    for file in sorted(shown):
        copy = folder / file.relative_to(paths.CHECKOUT)
        copy.parent.mkdir(exist_ok=True)
        if file.suffix == ".ipynb":
            nbformat.write(_notebook(file, shown), copy)
        else:
            copy.write_text(_prose(file.read_text(), file, shown))
    first = folder / "README.md"
    with first.open("a") as page:
        page.writelines(_contents(caption, files) for caption, files in pages.items())
    first.rename(folder / "index.md")
    shutil.copytree(LESSON_PICTURES, folder / "notebooks" / "pictures")
    pictures = paths.CHECKOUT / "docs" / "pictures"
    shutil.copytree(pictures, folder / "extra/docs/pictures", ignore=shutil.ignore_patterns("*.py"))


def _contents(caption: str, files: list[Path]) -> str:
    entries = "\n".join(_entry(file) for file in files)
    return f"\n```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{entries}\n```\n"


def _entry(file: Path) -> str:
    page = file.relative_to(paths.CHECKOUT).with_suffix("").as_posix()
    if file.parent != paths.NOTEBOOKS:
        return page
    heading = re.search(r"^# (.+)$", nbformat.read(file, as_version=4).cells[0].source, re.M)
    title = heading[1].replace("`", "") if heading else file.stem[3:]
    return f"{file.stem[:2]} {title} <{page}>"


def _prose(text: str, file: Path, shown: set[Path]) -> str:
    """Markdown whose links and pictures work on the site."""

    def link(found: re.Match[str]) -> str:
        target = (file.parent / found[1]).resolve()
        anchor = found[2] or ""
        if target == launch_links.README:
            return os.path.relpath(paths.CHECKOUT / "index.md", file.parent) + anchor
        if target in shown or target.parent == LESSON_PICTURES or not target.exists():
            return found[0]
        return launch_links.source(target) + anchor

    return LINK.sub(link, PICTURE.sub(_both_themes, text))


def _both_themes(found: re.Match[str]) -> str:
    """Both pictures: GitHub chooses one by the computer's theme, the site by the reader's."""
    dark, light = found[1], found[2]
    pictures = {"only-light": light, "only-dark": re.sub(r'src="[^"]+"', f'src="{dark}"', light)}
    return "".join(f'<img class="{name}" {rest}>' for name, rest in pictures.items())


def _notebook(file: Path, shown: set[Path]) -> Any:
    """A notebook as the site shows it."""
    notebook = nbformat.read(file, as_version=4)
    # The lexer of site/conf.py.
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "cell"}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _prose(cell.source, file, shown)
        elif cell.cell_type == "code":
            _cover(cell)
            cell.outputs = [_static(output) for output in cell.outputs]
            for words in _descriptions(cell.outputs):
                cell.metadata.setdefault("mystnb", {})["image"] = {"alt": words}
    return notebook


def _cover(cell: Any) -> None:
    """Fold the output of a cell that asks for a prediction."""
    if cell.source.startswith("%%predict"):
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-output"]


def _static(output: Any) -> Any:
    """An output without its live form; a drawing becomes a part of the page.

    An SVG file would keep its colours when the reader changes the theme.
    """
    data = output.get("data", {})
    data.pop(LIVE, None)
    if SERVED.search(data.get("text/html", "")):
        data["text/html"] = (
            "<p><em>When you run the lesson, a page of your container is here.</em></p>"
        )
    if drawing := data.pop("image/svg+xml", None):
        data["text/html"] = (
            '<div class="dockyard-view"><div class="dy-picture" role="group" tabindex="0" '
            f'aria-label="Picture; scroll it sideways">{drawing}</div></div>'
        )
    return output


def _descriptions(outputs: list[Any]) -> Iterator[str]:
    for output in outputs:
        if "image/png" in output.get("data", {}):
            yield output.data.get("text/plain", "")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else paths.CHECKOUT / "build" / "site"))
