"""Pulls an image and shows the progress of each layer."""

from __future__ import annotations

from typing import Any

from docker.utils import parse_repository_tag
from traitlets import Unicode

from dockyard.views.daemon_objects import Fact
from dockyard.views.layer_stacks import human_size
from dockyard.views.progress_view import Progress

WORDS = {
    "Pulling fs layer": ("waits", "waits"),
    "Waiting": ("waits", "waits"),
    "Downloading": ("works", "downloading"),
    "Verifying Checksum": ("works", "checking"),
    "Download complete": ("works", "downloaded"),
    "Extracting": ("works", "unpacking"),
    "Pull complete": ("done", "pulled"),
    "Already exists": ("kept", "already here"),
    "Layer already exists": ("kept", "already here"),
}
"""The state and the words for each status that the daemon reports of a layer."""

HALF = 0.5
"""Downloading is the first half of a layer's progress, unpacking the second."""


class Pull(Progress):
    """A pull and its layers."""

    _esm, _css = Progress._esm, Progress._css

    reference = Unicode(help="The image being pulled.").tag(sync=True)

    def __init__(self, reference: str) -> None:
        repository, tag = parse_repository_tag(reference)
        self._repository, self._tag = repository, tag or "latest"
        self._end = ""
        self._bytes: dict[str, int] = {}
        super().__init__(reference=reference)
        self.title = f"Pulling {reference}"

    def messages(self) -> Any:
        """The messages of the pull, as the SDK streams them. Docker Engine API: ImageCreate."""
        return self.client.api.pull(self._repository, tag=self._tag, stream=True, decode=True)

    def hear(self, message: dict) -> None:
        """Take in one message of the pull."""
        status, id = message.get("status", ""), message.get("id", "")
        if status in WORDS and id:
            self._hear_layer(id, status, message.get("progressDetail") or {})
        elif status.startswith("Status: "):
            self._end = status.removeprefix("Status: ")

    def _hear_layer(self, id: str, status: str, detail: dict) -> None:
        state, note = WORDS[status]
        number = len(self._steps) + 1 if id not in self._steps else self._steps[id]["number"]
        before = self._steps.get(id, {}).get("state")
        part = {"Download complete": HALF, "Pull complete": 1.0}.get(status)
        if detail.get("total"):
            part = HALF * detail.get("current", 0) / detail["total"]
            part += HALF if status == "Extracting" else 0
            self._bytes[id] = detail["total"]
        step = self.step(id, name=f"layer {number}", number=number, state=state, note=note)
        if part is not None:
            step["part"] = min(part, 1.0)
        if id in self._bytes:
            step["took"] = human_size(self._bytes[id])
        if state in ("done", "kept") and before != state:
            self.announce(f"Layer {number}: {note}.")

    def summary(self) -> str:
        """How many layers are pulled, and how many were there already."""
        if "up to date" in self._end:
            return "nothing to do: this image is here already"
        self._add_kept()
        count = len(self._steps)
        new = sum(step["state"] == "done" for step in self._steps.values())
        return f"pulled: {new} of {count} layer{'s' if count != 1 else ''} new"

    def _add_kept(self) -> None:
        """Add the layers of which containerd's image store says nothing: as a rule the lowest."""
        image = self.client.api.inspect_image(f"{self._repository}:{self._tag}")
        layers = image["RootFS"].get("Layers") or []
        heard, self._steps = self._steps, {}
        state, note = WORDS["Already exists"]
        for number, layer in enumerate(layers[: max(0, len(layers) - len(heard))], 1):
            id = layer.removeprefix("sha256:")[:12]
            self.step(id, name=f"layer {number}", state=state, note=note)
            self.announce(f"Layer {number}: {note}.")
        for number, (id, step) in enumerate(heard.items(), len(self._steps) + 1):
            self._steps[id] = step | {"name": f"layer {number}", "number": number}

    def line(self, step: Fact) -> str:
        """One layer: its name and its state."""
        return f"{step['name']}: {step['note']}"
