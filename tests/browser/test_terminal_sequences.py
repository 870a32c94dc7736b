"""What is written for a terminal does nothing on the page, not even past the course's cells."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

HOSTILE = (
    "begin \x1b]52;c;aGFybQ==\x07\x1b]0;a title\x07\x1b]8;;http://evil.invalid/\x1b\\a link"
    "\x1b]8;;\x1b\\ \x1b[?1049h\x1b[2J\x1b[10;10H\x1b[31mred\x1b[0m<b id=made>bold</b>"
    f"\x1b[{'1;' * 3000}m\x1b[?5A\x1b[6n end\n"
)
CELLS = [
    f"open('hostile', 'w').write({HOSTILE!r})",
    "!cat hostile",
    # Past the course's cells, as the logs of a container that Python prints.
    "print(open('hostile').read())",
]


def test_the_page_shows_text_and_nothing_else(page_of, lab):
    shown = page_of(lab.write("sequences.ipynb", ["%load_ext dockyard", *CELLS]))
    shown.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = shown.page
    page.evaluate("navigator.clipboard.writeText('mine')")
    title = page.title()
    shown.run_all()
    outputs = page.locator(".jp-OutputArea-output pre").filter(has_text="end")
    expect(outputs).to_have_count(2)
    cleaned, raw = outputs.all_inner_texts()
    # The text before the screen was erased is gone, as in a terminal.
    assert cleaned.split() == ["red<b", "id=made>bold</b>", "end"]
    assert "a link" in raw
    assert "bold</b>" in raw
    links = outputs.locator("a").evaluate_all("all => all.map(a => [a.href, a.textContent])")
    # A link shows where it leads.
    assert all(href.startswith(text) for href, text in links), links
    assert page.locator("#made").count() == 0
    assert page.evaluate("navigator.clipboard.readText()") == "mine"
    assert page.title() == title
