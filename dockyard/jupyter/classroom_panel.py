"""The classroom in JupyterLab's side bar: agree to share, ask for help, read the teacher's hint.

``GET dockyard/classroom`` returns

    {"teacher": true, "agreed": "2026-01-31 09:00", "help": false, "hint": "Look at port 80 again.",
     "shared": ["which tasks …", …], "not_shared": "Not your commands, …"}

``POST dockyard/classroom`` with ``{"do": "agree"}``, ``"revoke"``, ``"ask"`` or ``"unask"`` does
what its button says and returns the same; ask has the path of the page in front, too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web

from dockyard.core import classroom_file, paths
from dockyard.exceptions import DockyardError

PAUSE = 15
"""Seconds between two exchanges with the teacher."""


class ClassroomHandler(APIHandler):
    """Answers the side bar about the classroom."""

    @web.authenticated
    async def get(self) -> None:
        """``GET dockyard/classroom``."""
        self.finish(await asyncio.to_thread(_document))

    @web.authenticated
    async def post(self) -> None:
        """``POST dockyard/classroom``: press a button."""
        asked = self.get_json_body() or {}
        page = page_of(self.settings["server_root_dir"], str(asked.get("page", "")))
        said = await asyncio.to_thread(_press, asked.get("do"), page)
        self.finish(await asyncio.to_thread(_document) | {"said": said})


def page_of(root: str, path: str) -> str:
    """The page at a path of JupyterLab, as ``lessons/NAME`` or ``labs/NAME``; empty for others."""
    file, copy = Path(root).expanduser().absolute() / path, paths.learner_copy()
    if not file.is_relative_to(copy):
        return ""
    page = PurePosixPath(file.relative_to(copy))
    kind = {"notebooks": "lessons", "labs": "labs"}.get(str(page.parent))
    return f"{kind}/{page.stem}" if kind and page.suffix == ".ipynb" else ""


def look(page: str) -> None:
    """A page is in front: count its time, if the learner has agreed to that."""
    from dockyard.sharing import evidence_file

    if classroom_file.load().agreed and page in evidence_file.pages():
        with suppress(DockyardError, OSError):
            classroom_file.look(evidence_file.place(page))


def begin() -> None:
    """Exchange news with the teacher from now on, in the background, if there is a teacher."""
    from dockyard.sharing import teacher

    if teacher.address():
        threading.Thread(target=_exchange, name="classroom", daemon=True).start()


def _exchange() -> None:
    from dockyard.sharing import teacher

    while True:
        # Without the teacher the course goes on; the buttons say what is wrong.
        with suppress(DockyardError, OSError):
            teacher.exchange()
        time.sleep(PAUSE)


def _press(button: Any, page: str) -> str:
    from dockyard.sharing import share_magic

    try:
        match button:
            case "agree":
                return share_magic.agree()
            case "revoke":
                return share_magic.revoke()
            case "ask":
                return share_magic.ask(page)
            case "unask":
                return share_magic.ask(None)
    except (DockyardError, OSError) as error:
        return str(error)
    raise web.HTTPError(400, "There is no such button.")


def _document() -> dict[str, Any]:
    from dockyard.sharing import share_magic, teacher

    state = classroom_file.load()
    return {
        "teacher": bool(teacher.address()),
        "agreed": state.agreed,
        "help": state.help is not None,
        "hint": state.hint,
        "shared": list(share_magic.SHARED),
        "not_shared": share_magic.NOT_SHARED,
    }
