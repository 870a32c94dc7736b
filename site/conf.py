"""Sphinx's settings for the website. ``python -m dockyard.authoring.site`` copies and uses them."""

import re
from pathlib import Path, PurePosixPath

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment
from pygments.util import ClassNotFound

from dockyard.authoring import launch_links
from dockyard.learner_copy import course_folder

PACKAGE = Path(launch_links.__file__).parents[1]

project = html_title = "Dockyard"
extensions = ["myst_nb"]
templates_path = ["templates"]
exclude_patterns = ["extra"]

# The stored outputs are the proof; no kernel starts here.
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Decide, then open: what the cell prints"
nb_code_prompt_hide = "What the cell prints"
# Anchors as on GitHub, for the links between pages.
myst_heading_anchors = 4

html_theme = "furo"
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_favicon = "static/favicon.svg"
html_extra_path = ["extra"]
html_static_path = [
    "static",
    str(PACKAGE / "notebook" / "theme.css"),
    str(PACKAGE / "views" / "view.css"),
]
html_css_files = ["theme.css", "view.css", "site.css"]
# Their contrast is at least 7:1.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


class CellLexer(Lexer):
    """Colours a cell: shell commands, files that it writes, Python.

    IPython's lexer knows no ! command of several lines, and no magics of the course.
    """

    name = "cell"
    # %magic, or !command after white space or "name = ".
    PART = re.compile(
        r"^(?:(?P<magic>%.*\n?)|(?P<before>[ \t]*(?:\w+ *= *)?)!(?P<shell>(?:.*\\\n)*.*\n?))", re.M
    )

    def get_tokens_unprocessed(self, text):
        """Yield the place, type and text of each token (Pygments' interface for lexers)."""
        language, at = "", 0
        while text.startswith("%%", at) and not language:
            magic, _, _ = text[at:].partition("\n")
            yield at, Comment.Preproc, f"{magic}\n"
            language = _language(*magic.split())
            at += len(magic) + 1
        if language:
            yield from _tokens(language, text[at:], at)
            return
        for part in self.PART.finditer(text, at):
            yield from _tokens("python", text[at : part.start()], at)
            at = part.end()
            if part["magic"]:
                yield part.start(), Comment.Preproc, part["magic"]
            else:
                yield from _tokens("python", part["before"], part.start())
                yield part.start("shell") - 1, Comment.Preproc, "!"
                yield from _tokens("bash", part["shell"], part.start("shell"))
        yield from _tokens("python", text[at:], at)


def _language(magic, *words):
    """The language of a cell after a magic that takes the rest of it, or empty."""
    if magic == "%%writefile":
        try:
            return get_lexer_for_filename(Path(words[-1]).name).aliases[0]
        except ClassNotFound:
            return "text"
    return {"%%bash": "bash", "%%html": "html"}.get(magic, "")


def _tokens(language, text, at):
    lexer = get_lexer_by_name(language)
    return ((at + place, kind, value) for place, kind, value in lexer.get_tokens_unprocessed(text))


def _add_links(app, pagename, templatename, context, doctree):
    """Give a page's template the links that lead from this page."""
    page = PurePosixPath(f"{pagename}.ipynb")
    known = page in course_folder.pages()
    context["binder"] = launch_links.binder(page if known else course_folder.START)
    context["codespaces"] = launch_links.codespaces()
    context["repository"] = launch_links.repository()
    # What scrolls sideways must be reachable by keyboard.
    context["body"] = re.sub(
        r'<pre(?=>)|<div(?= class="table-wrapper)', r'\g<0> tabindex="0"', context.get("body", "")
    )
    context["wrong"] = launch_links.issue("page-wrong", page=pagename)


def setup(app):
    """Register lexer and hook (Sphinx's interface for extensions)."""
    app.add_lexer("cell", CellLexer)
    app.connect("html-page-context", _add_links)
