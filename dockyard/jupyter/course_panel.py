"""Jupyter server extension: tells the side bar which lessons and labs there are, and how far.

It also keeps browsers from showing a container's page from their cache.

``GET dockyard/course`` returns

    {"folder": "/home/me/dockyard/my-course",
     "pages": [{"title": "Registries: where images are kept", "number": "05", "minutes": "45",
                "lesson": "notebooks/08-registries.ipynb", "lab": "labs/08-registries.ipynb",
                "done": 2, "of": 8}, …],
     "setup": {"running": true, "line": "unpacking Docker", "share": 0.25, "failure": ["…", "…"]}}

with paths as JupyterLab knows them; lesson or lab is null where there is none.

``GET dockyard/tasks?page=notebooks/03-containers.ipynb&reached=stop-it`` returns that page's tasks:

    [{"name": "stop-it", "goal": "Stop the container `web` and keep it.", "done": false}, …]

Of a lesson's tasks, only those can become done that the learner has reached on the page.
"""

from __future__ import annotations

import asyncio
import json
import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from dockyard.core import paths, umask
from dockyard.jupyter import classroom_panel
from dockyard.learner_copy import course_folder

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp
    from jupyter_server_proxy.handlers import RewritableResponse

    from dockyard.jupyter.task_list import TaskList


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    address = url_path_join(server.base_url, "dockyard/course")
    tasks = url_path_join(server.base_url, "dockyard/tasks")
    classroom = url_path_join(server.base_url, "dockyard/classroom")
    handlers = [
        (address, CoursePanelHandler),
        (tasks, TasksHandler),
        (classroom, classroom_panel.ClassroomHandler),
    ]
    server.web_app.add_handlers(".*$", handlers)
    # For the editor's files, too. Kernels and terminals are started by this process.
    umask.let_containers_read()
    classroom_panel.begin()
    # jupyter_server loads its extensions by name: this one before jupyter_server_proxy.
    server.config.ServerProxy.non_service_rewrite_response = _revalidate


def _revalidate(response: RewritableResponse) -> None:
    """Let browsers ask a container again before they show its page once more.

    Without a word from the server they keep an old page for a tenth of its age (RFC 9111, 4.2.2):
    learners would not see what they have changed.
    """
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-cache"


class CoursePanelHandler(APIHandler):
    """Answers with the course's pages, the learner's progress and the state of the set-up."""

    @web.authenticated
    async def get(self) -> None:
        """``GET dockyard/course``."""
        root = Path(self.settings["server_root_dir"]).expanduser().absolute()
        # In a thread, because it reads files and asks the course registry.
        found = await asyncio.to_thread(document, root)
        self.finish(found)


class TasksHandler(APIHandler):
    """Answers with the tasks of the page that is open."""

    @web.authenticated
    async def get(self) -> None:
        """``GET dockyard/tasks?page=PATH``: a list of name, goal and done."""
        root = Path(self.settings["server_root_dir"]).expanduser().absolute()
        file = root / self.get_query_argument("page")
        copy = paths.learner_copy()
        page = PurePosixPath(file.relative_to(copy)) if file.is_relative_to(copy) else None
        reached = frozenset(self.get_query_argument("reached", "").split(","))
        found = await asyncio.to_thread(_tasks().look, page, reached) if page else []
        await asyncio.to_thread(classroom_panel.look, classroom_panel.page_of(str(root), str(file)))
        self.finish(json.dumps(found))


@cache
def _tasks() -> TaskList:
    # It brings in the Docker SDK, which would delay JupyterLab's start.
    from dockyard.jupyter.task_list import TaskList

    return TaskList()


def document(root: Path) -> dict[str, Any]:
    """What the side bar shows; root is the folder that Jupyter serves."""
    # Both bring in the Docker SDK, which would delay JupyterLab's start.
    from dockyard import preparation
    from dockyard.quiz import progress_report

    labs = {each["lab"]: each for each in progress_report.report()["labs"]}
    pages = []
    for name, page in _pages(root).items():
        task = labs.get(name, {"done": [], "of": 0})
        pages.append(page | {"done": len(task["done"]), "of": task["of"]})
    return {"folder": str(root), "pages": pages, "setup": preparation.report()}


@cache
def _pages(root: Path) -> dict[str, dict[str, str | None]]:
    """What is known of each lesson and its lab, by name.

    It is read once: the learner's copy changes only before Jupyter starts.
    """
    known = set(course_folder.pages())
    pages = {}
    for name in sorted({page.stem for page in known if page.parent.name != "solutions"}):
        lesson, lab = (
            page if (page := PurePosixPath(folder, f"{name}.ipynb")) in known else None
            for folder in ("notebooks", "labs")
        )
        title, minutes = _head(lesson or lab)
        pages[name] = {
            "number": name.partition("-")[0],
            "title": title,
            "minutes": minutes,
            "lesson": _path(lesson, root),
            "lab": _path(lab, root),
        }
    return pages


def _path(page: PurePosixPath | None, root: Path) -> str | None:
    """The path of a page of the copy below root; None when it is not there."""
    file = paths.learner_copy() / page if page else None
    return file.relative_to(root).as_posix() if file and file.is_relative_to(root) else None


def _head(page: PurePosixPath | None) -> tuple[str, str]:
    """The title of a page of the course and the minutes that it takes."""
    assert page
    text = (paths.CHECKOUT / page).read_text(encoding="utf-8")
    title = re.search(r'"# (?:Lab \d+: )?(.*?)(?:\\n)?"', text)
    minutes = re.search(r"\*\*Minutes:\*\* (\d+)", text)
    return title[1].replace("`", "") if title else page.stem, minutes[1] if minutes else ""
