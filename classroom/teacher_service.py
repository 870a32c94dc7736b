"""The hub's service for the teacher: collects what students share, and shows who is where.

JupyterHub starts it (hub.py). Students' servers send evidence with their own token to
``PUT …/evidence`` and take it back with ``DELETE``; whose it is, the hub says, not the evidence.
The page, the hint to all and the CSV are for those alone who have the scope
``access:services!service=classroom``: the hub's admins, and whom a role gives it.
"""

from __future__ import annotations

import asyncio
import os
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from jupyterhub.services.auth import HubAuth, HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado import web
from tornado.httpserver import HTTPServer

from dockyard.core import whole_file
from dockyard.exceptions import UsageError
from dockyard.sharing import evidence_file, gradebook, room, room_page, teacher
from dockyard.sharing.evidence_file import NotEvidence


class EvidenceHandler(web.RequestHandler):
    """Takes the evidence of the student whose server's token comes with it."""

    def initialize(self, folder: Path, hub: HubAuth) -> None:
        """Called by tornado for each request."""
        self.folder = folder
        self.hub = hub

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here, so no other page can send one."""

    async def put(self) -> None:
        """Keep the evidence; answers with the hint to all. 400 when it is none."""
        file = await self._file()
        try:
            evidence = evidence_file.decode(self.request.body)
        except NotEvidence as error:
            raise web.HTTPError(400, reason=f"This is no evidence: {error}") from None
        if not file.exists() and sum(1 for _ in self.folder.iterdir()) > room.MOST:
            raise web.HTTPError(507, reason="There are too many students")
        # What is kept is what was understood, not what came.
        whole_file.write(file, evidence_file.encode(evidence))
        self._answer()

    async def delete(self) -> None:
        """Remove the evidence; answers with the hint to all."""
        (await self._file()).unlink(missing_ok=True)
        self._answer()

    async def _file(self) -> Path:
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        # Asks the hub, or knows its answer from the last minutes.
        found = await self.hub.user_for_token(token, sync=False) if kind == "token" else None
        if not found or found.get("kind") != "user":
            raise web.HTTPError(403)
        try:
            return room.file_for(self.folder, found["name"])
        except ValueError as error:
            raise web.HTTPError(400, reason=str(error)) from None

    def _answer(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(teacher.Hint(teacher.read_hint(self.folder))))


class TeacherHandler(HubOAuthenticated, web.RequestHandler):
    """What only the teacher sees."""

    def initialize(self, folder: Path) -> None:
        """Called by tornado for each request."""
        self.folder = folder

    def set_default_headers(self) -> None:
        """Nothing is kept by the browser, nothing is loaded from elsewhere, nobody frames it."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", f"{room_page.POLICY}; frame-ancestors 'none'")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")


class PageHandler(TeacherHandler):
    """Who is where."""

    @web.authenticated
    async def get(self) -> None:
        """The page."""
        found = await asyncio.to_thread(room.load, self.folder)
        self.finish(room_page.render(found, links=_links()))


class GradesHandler(TeacherHandler):
    """What is done, as CSV."""

    @web.authenticated
    async def get(self, form: str) -> None:
        """The CSV in one of the forms of gradebook.py."""
        found = await asyncio.to_thread(room.load, self.folder)
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="grades-{form}.csv"')
        self.finish(gradebook.render(found, form))


class HintHandler(TeacherHandler):
    """The hint to all: one line."""

    @web.authenticated
    def get(self) -> None:
        """The form."""
        self._show("")

    @web.authenticated
    def post(self) -> None:
        """Say it; without a text, take it back."""
        try:
            said = teacher.write_hint(self.folder, self.get_body_argument("text", ""))
        except UsageError as error:
            self.set_status(400)
            self._show(str(error))
            return
        self._show("All see it within half a minute." if said else "Nothing is said to all now.")

    def _show(self, told: str) -> None:
        text = escape(teacher.read_hint(self.folder))
        body = (
            "<h1>A hint to all</h1>"
            f'<form method="post">{self.xsrf_form_html()}<label>One line, which students see in '
            "the side bar and at their next check; empty takes it back<br>"
            f'<input name="text" size="80" maxlength="{teacher.LONGEST_HINT}" value="{text}">'
            f'</label> <button>Say it</button></form><p role="status">{escape(told)}</p>'
            '<p><a href="./">Who is where</a></p>'
        )
        self.finish(room_page.document("A hint to all", body))


def _links() -> str:
    forms = ", ".join(f'<a href="grades/{form}">{form}</a>' for form in gradebook.FORMS)
    return f'<p><a href="hint">A hint to all</a> · Grades as CSV: {forms}</p>'


def application(prefix: str, folder: Path) -> web.Application:
    """The service at a prefix of addresses, such as ``/services/classroom/``."""
    kept: dict[str, Any] = {"folder": folder}
    forms = "|".join(gradebook.FORMS)
    return web.Application(
        [
            (prefix, PageHandler, kept),
            (url_path_join(prefix, "evidence"), EvidenceHandler, kept | {"hub": HubAuth()}),
            (url_path_join(prefix, "hint"), HintHandler, kept),
            (url_path_join(prefix, f"grades/({forms})"), GradesHandler, kept),
            (url_path_join(prefix, "oauth_callback"), HubOAuthCallbackHandler),
        ],
        cookie_secret=os.urandom(32),
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"path": prefix, "httponly": True, "samesite": "Lax"},
    )


async def main() -> None:
    """Serve until the hub ends this process."""
    folder = Path(os.environ["DOCKYARD_EVIDENCE"])
    folder.mkdir(mode=0o700, exist_ok=True)
    where = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    server = HTTPServer(
        application(os.environ["JUPYTERHUB_SERVICE_PREFIX"], folder),
        max_body_size=evidence_file.LIMIT,
        max_header_size=16_000,
        idle_connection_timeout=60,
        body_timeout=20,
    )
    server.listen(where.port or 80, where.hostname or "")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
