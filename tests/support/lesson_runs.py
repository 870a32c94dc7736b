"""How lessons are run: each in a fresh state, and with another kernel from half of it on.

So the outputs of the second half prove that a learner whose kernel was restarted can go on after
the first cell.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell

from dockyard.authoring import fresh_state
from dockyard.authoring.nbval_options import CELL_TIMEOUT
from dockyard.core import paths
from dockyard.lessons import lesson_catalog


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Prepare the daemon before the first cell of a notebook; restart the kernel at half."""
    if not isinstance(item, IPyNbCell):
        return
    cells = [cell for cell in item.parent.nb.cells if cell.cell_type == "code"]
    if item.cell is cells[0]:
        fresh_state.make(item.parent.path)
    elif item.cell is cells[len(cells) // 2] and _is_lesson(item.parent.path):
        restart(item.parent.kernel, cells[0].source)


def _is_lesson(page: Path) -> bool:
    """Whether a page is a lesson with a scene and tasks; its lab's solution has the same name."""
    return page.parent == paths.NOTEBOOKS and page.stem in lesson_catalog.names()


def restart(kernel, first: str) -> None:
    """Restart a kernel and run the first cell in it, which must succeed."""
    kernel.restart()
    kernel.kc.wait_for_ready(timeout=CELL_TIMEOUT)
    asked = kernel.kc.execute(first, store_history=False)
    while True:
        reply = kernel.kc.get_shell_msg(timeout=CELL_TIMEOUT)
        if reply["parent_header"].get("msg_id") == asked:
            break
    assert reply["content"]["status"] == "ok", reply["content"]
    kernel.await_idle(asked, CELL_TIMEOUT)
