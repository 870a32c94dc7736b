"""The page of a container's web server, in a frame below the cell."""

from __future__ import annotations

import html
import http.client
import os

from dockyard.core import wait
from dockyard.labs import loopback_http

PATIENCE = 15
"""Seconds for a server to start."""

STYLE = "width: 100%; height: {height}px; border: 1px solid #8c959f; background: white"


class WebPage:
    """The page at a published port of this computer.

    JupyterLab's server passes it on below ``/proxy/PORT/``, so it is also shown when the course
    runs on another computer than the browser.
    """

    def __init__(self, port: int, path: str, height: int) -> None:
        self.port = port
        self.path = path.lstrip("/")
        self.height = height
        self._trouble = ""
        if not wait.within(PATIENCE, self._answers, interval=0.1):
            self._trouble = f"{self.address} does not answer: {self._trouble}."

    @property
    def address(self) -> str:
        """Where a browser on this computer finds the page."""
        return f"http://127.0.0.1:{self.port}/{self.path}"

    def __repr__(self) -> str:
        return self._trouble or f"The page at {self.address}"

    def _repr_html_(self) -> str:
        if self._trouble:
            return f"<p>{html.escape(self._trouble)}</p>"
        hub = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
        source = html.escape(f"{hub}proxy/{self.port}/{self.path}")
        return (
            f'<iframe src="{source}" title="The page at port {self.port}" '
            f'style="{STYLE.format(height=self.height)}"></iframe>\n'
            f'<p><a href="{source}" target="_blank">Open it in a tab of its own</a></p>'
        )

    def _answers(self) -> bool:
        try:
            loopback_http.get(self.port, f"/{self.path}")
        except (OSError, http.client.HTTPException) as error:
            self._trouble = loopback_http.reason(error)
            return False
        self._trouble = ""
        return True
