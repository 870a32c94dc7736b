"""A kernel with the course's extension, driven as JupyterLab drives it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Self

from jupyter_client.manager import KernelManager

from dockyard import course
from dockyard.core import paths

PATIENCE = 120


@dataclass
class Shown:
    """What a cell shows."""

    outputs: list[dict] = field(default_factory=list)
    error: str = ""
    """The lines of the traceback."""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The streams and the plain text of the displays, in their order."""
        return "".join(each["text"] for each in self.outputs)


class Kernel:
    """Runs cells; interactive says whether a person could type there (allow_stdin)."""

    def __init__(self, folder, *, interactive=True, **environment):
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(
            env=course.whole_environment() | environment, cwd=str(folder or paths.NOTEBOOKS)
        )
        self._client = self._manager.client()
        self._interactive = interactive
        self._displays: dict[str, dict] = {}

    def __enter__(self) -> Self:
        self._client.start_channels()
        self._client.allow_stdin = self._interactive
        self._client.wait_for_ready(timeout=PATIENCE)
        assert not self.run("%load_ext dockyard").error
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def send(self, source: str) -> str:
        """Send a cell; return its id for collect()."""
        return self._client.execute(source)

    def write_to_view(self, view: str) -> str:
        """Send a message to a view, by the id of its comm; return its id for collect()."""
        session = self._client.session
        message = session.msg("comm_msg", {"comm_id": view, "data": {}})
        self._client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def interrupt(self) -> None:
        """Interrupt the running cell."""
        self._manager.interrupt_kernel()

    def run(self, source: str) -> Shown:
        """Run a cell to its end."""
        return self.collect(self.send(source))

    def collect(self, cell: str, until: str | None = None) -> Shown:
        """What a cell shows until it ends, or until a text has been shown."""
        shown, began = Shown(), time.monotonic()
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != cell:
                continue
            content, kind = message["content"], message["msg_type"]
            if kind == "stream":
                shown.outputs.append({"type": "stream", "text": content["text"]})
            elif kind == "execute_result":
                shown.outputs.append({"type": kind, "text": content["data"]["text/plain"]})
            elif kind == "display_data":
                output = {"type": "display", "text": content["data"]["text/plain"]}
                shown.outputs.append(output)
                self._displays[content.get("transient", {}).get("display_id", "")] = output
            elif kind == "update_display_data":
                self._displays[content["transient"]["display_id"]]["text"] = content["data"][
                    "text/plain"
                ]
            elif kind == "error":
                shown.error = "\n".join(content["traceback"])
            ended = kind == "status" and content["execution_state"] == "idle"
            if ended or (until and until in shown.text):
                shown.seconds = time.monotonic() - began
                return shown
