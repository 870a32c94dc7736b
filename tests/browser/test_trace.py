"""``%%trace`` in JupyterLab: both themes, zoomed in, with the keyboard only."""

import pytest
from playwright.sync_api import expect

from tests.browser.jupyterlab_page import ENLARGED, THEMES, faults
from tests.support.scene import LESSON

pytestmark = [pytest.mark.browser, pytest.mark.engine]

CELLS = (
    f"%load_ext dockyard\n%lesson {LESSON}",
    "%%trace\n!docker create --name traced --volume traced:/data --label a=b busybox sleep 1000\n"
    "!docker logs traced",
)


def test_requests_can_be_opened_with_the_keyboard_in_both_themes(lab, page_of, scene):
    screen = page_of(lab.write("trace.ipynb", list(CELLS)), **ENLARGED)
    screen.run_all()
    page, keys = screen.page, screen.page.keyboard
    table = page.get_by_role("table", name="Requests sent to the daemon, in order.")
    expect(table.get_by_role("row")).to_have_count(6)
    folds = table.locator("summary")
    expect(folds).to_have_count(5)

    # Tab moves to the next request, Enter opens it, Space closes it.
    folds.nth(0).focus()
    keys.press("Tab")
    expect(folds.nth(1)).to_be_focused()
    keys.press("Enter")
    details = table.locator("details").nth(1)
    expect(details).to_have_attribute("open", "")
    expect(details).to_contain_text('"Image": "busybox"')
    expect(details).to_contain_text('curl --unix-socket "$SOCKET" --request POST')
    keys.press(" ")
    expect(details).not_to_have_attribute("open", "")
    keys.press(" ")
    expect(details).to_have_attribute("open", "")
    # JupyterLab did not handle the keys: no cell was added, removed or opened for editing.
    expect(page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(len(CELLS))
    expect(page.locator(".jp-Notebook.jp-mod-editMode")).to_have_count(0)

    stream = table.get_by_role("row").filter(has_text="GET /containers/{id}/logs")
    expect(stream).to_contain_text("200 OK stream")
    expect(stream).to_contain_text("container.logs(")
    for theme in THEMES:
        screen.theme(theme)
        assert faults(page, ".dockyard-trace") == []
        # The table is not wider than its container.
        assert table.evaluate("node => node.scrollWidth - node.parentNode.clientWidth") <= 1
