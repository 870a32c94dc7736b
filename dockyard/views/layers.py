"""The layer explorer: the layers of images, and what containers have written on top."""

from __future__ import annotations

import threading

from traitlets import Bool, Dict, List

from dockyard.exceptions import DockyardError
from dockyard.notebook.palette import COLOURS as HUES
from dockyard.views import layer_stacks
from dockyard.views.daemon_objects import Fact
from dockyard.views.events import EXEC, UNREACHABLE, Event
from dockyard.views.layer_stacks import human_size
from dockyard.views.svg import Picture, width_of
from dockyard.views.view import View

WIDTH = 752
EDGE = 16
GAP = 48
"""Space between two images, for the lines that connect shared layers."""

TOP = 64
BOX = 56
ENTRY = 18
SPACE = 8
DRAWN = 4
"""How many files of a layer the picture lists."""

VARIES = "dy-varies"
"""The class of elements that depend on how a base image was built; tests/sanitize.cfg drops it."""


class Layers(View):
    """Images side by side as stacks of layers, the newest layer on top."""

    stacks = List(Dict(), help="Each image or container: see layer_stacks.stack().").tag(sync=True)
    looking = Bool(False, help="Whether a request to the daemon is running.").tag(sync=True)

    kinds = ("image", "container", EXEC)

    def __init__(self, image: str, *others: str) -> None:
        self._names = (image, *others)
        super().__init__()
        self.title = f"Layers of {', '.join(self._names)}"

    def look(self, event: Event | None) -> None:
        """Read the layers of the images and containers that are shown."""
        if event is not None and event.kind == EXEC and event.name not in self._names:
            return
        before = {stack["name"]: stack for stack in self.stacks}
        bases = layer_stacks.bases(self.daemon)
        stacks = [layer_stacks.stack(self.daemon, name, bases) for name in self._names]
        _mark_shared(stacks)
        self.stacks = stacks
        if before:
            for stack in stacks:
                if said := _what_changed(before[stack["name"]], stack):
                    self.announce(said)

    def on_message(self, message: dict) -> None:
        """Look again when the page asks: a container's own program writes without an event."""
        if "again" in message and not self.looking:
            threading.Thread(target=self._again, daemon=True).start()

    def _again(self) -> None:
        self.looking = True
        try:
            before = self.stacks
            self.watch()
            if self.stacks == before:
                self.announce("Nothing has changed.")
        except (DockyardError, OSError, *UNREACHABLE):
            self.connected = False
        finally:
            self.looking = False

    def words(self) -> str:
        """Each stack as a list of its layers, the top one first."""
        lines = [f"{self.title}, the newest layer first"]
        for stack in self.stacks:
            lines.append(f"{stack['name']}: {about(stack)}")
            lines += [_line(layer) for layer in stack["layers"]]
            if stack["settings"]:
                lines.append(f"  settings, no layer: {', '.join(stack['settings'])}")
        return "\n".join(lines)

    def draw(self) -> str:
        """Each stack as a column of boxes, with bridges between shared layers."""
        count = len(self._names)
        width = (WIDTH - GAP * (count - 1)) / count if count < 3 else 300
        heights = [sum(_height(layer) for layer in stack["layers"]) for stack in self.stacks]
        bottom = TOP + max([*heights, 30])
        notes = any(stack["settings"] for stack in self.stacks)
        height = bottom + (36 if notes else 12)
        picture = Picture(
            self.title, self.words(), 2 * EDGE + count * width + (count - 1) * GAP, height
        )
        picture.text(EDGE, 26, self.title, bold=True)
        largest = max(
            (layer["size"] for stack in self.stacks for layer in stack["layers"]), default=0
        )
        places: dict[str, tuple[float, float]] = {}
        for at, stack in enumerate(self.stacks):
            x = EDGE + at * (width + GAP)
            picture.text(x, 52, stack["name"], mono=True, bold=True, size=13, room=width * 0.55)
            picture.text(
                x + width, 52, about(stack), size=12, ink="soft", anchor="end", room=width * 0.5
            )
            # Stacks are aligned at the bottom, so that shared bases are side by side.
            y = bottom - heights[at]
            for layer in stack["layers"]:
                _draw_layer(picture, x, y, width, layer, largest)
                middle = y + (_height(layer) - SPACE) / 2
                if layer["shared"] and layer["id"] in places:
                    _draw_bridge(picture, *places[layer["id"]], x, middle, layer["hue"])
                places[layer["id"]] = (x + width, middle)
                y += _height(layer)
            if stack["settings"]:
                words = f"settings, no layer: {', '.join(stack['settings'])}"
                picture.text(x, bottom + 16, words, size=12, ink="soft", room=width)
        return str(picture)


def about(stack: Fact) -> str:
    """A stack in one line."""
    if stack["problem"]:
        return stack["problem"]
    count = sum(not layer["writable"] for layer in stack["layers"])
    of = f"container of {stack['image']}, " if stack["container"] else ""
    return f"{of}{count} layer{'s' if count != 1 else ''}"


def _mark_shared(stacks: list[Fact]) -> None:
    """Add to each layer which other stacks share it, and a colour for each shared layer."""
    hues: dict[str, str] = {}
    for stack in stacks:
        for layer in stack["layers"]:
            others = [
                other["name"]
                for other in stacks
                if other is not stack and layer["id"] in [each["id"] for each in other["layers"]]
            ]
            layer["shared"] = others
            if others:
                layer["hue"] = hues.setdefault(layer["id"], HUES[len(hues) % len(HUES)])


def _what_changed(before: Fact, now: Fact) -> str:
    if before["problem"] != now["problem"]:
        return f"{now['name']}: {about(now)}."
    was = [(layer["id"], layer["counts"]) for layer in before["layers"]]
    top = now["layers"][0] if now["layers"] else None
    if top and was != [(layer["id"], layer["counts"]) for layer in now["layers"]]:
        if top["writable"]:
            return f"{now['name']} has written on top: {top['counts'] or 'nothing'}."
        return f"{now['name']} is another image now, with {about(now)}."
    return ""


def _line(layer: Fact) -> str:
    said = f"  {layer['label']}: {_holds(layer)}"
    if layer["shared"]:
        said += f"; the same layer as in {', '.join(layer['shared'])}"
    # The content of a base depends on how it was built, and can be thousands of files.
    names = [] if layer["base"] else layer["entries"][:DRAWN]
    return said + (f" ({_list(layer, names)})" if names else "")


def _list(layer: Fact, names: list[Fact]) -> str:
    left = layer["total"] - len(names)
    shown = [f"{each['sign']} {each['path']}" for each in names]
    return ", ".join(shown + ([f"and {left} more"] if left > 0 else []))


def _holds(layer: Fact) -> str:
    if layer["problem"]:
        return layer["problem"]
    if layer["writable"]:
        return layer["counts"] or "nothing"
    if layer["base"]:
        return f"{human_size(layer['size'])} in {layer['count']} files"
    return f"{human_size(layer['size'])}, {layer['counts'] or 'no files'}"


def _drawn(layer: Fact) -> list[Fact]:
    return [] if layer["base"] else layer["entries"][:DRAWN]


def _height(layer: Fact) -> float:
    rows = len(_drawn(layer)) + (layer["total"] > DRAWN and not layer["base"])
    return BOX + (ENTRY * rows + 4 if rows else 0) + SPACE


def _draw_layer(
    picture: Picture, x: float, y: float, width: float, layer: Fact, largest: int
) -> None:
    height = _height(layer) - SPACE
    with picture.group(f"layer/{x:.0f}/{layer['id']}"):
        fill = "paper" if layer["writable"] else "card"
        line = "accent" if layer["writable"] else "line"
        picture.rect(x, y, width, height, fill=fill, line=line, thick=2 if layer["shared"] else 1)
        if layer["shared"]:
            picture.path(f"M{x + 3:.0f} {y + 4:.0f} v{height - 8:.0f}", hue=layer["hue"], thick=5)
        room = width - 24
        picture.text(x + 14, y + 20, layer["label"], mono=True, bold=True, size=12, room=room)
        words = _holds(layer)
        picture.text(x + 14, y + 38, words, size=12, room=room)
        if layer["shared"]:
            left = room - width_of(words, size=12) - 8
            picture.text(
                x + width - 10, y + 38, "shared", size=12, ink="soft", anchor="end", room=left
            )
        if largest and layer["size"]:
            with picture.group(css=VARIES):
                bar = max(2, room * layer["size"] / largest)
                picture.rect(x + 14, y + 45, bar, 5, fill="accent", radius=2)
        for row, each in enumerate(_drawn(layer)):
            at = y + BOX + 10 + row * ENTRY
            known = each["sign"] != "−" and not layer["writable"] and each["path"][-1] != "/"
            size = human_size(each["size"]) if known else ""
            picture.text(x + 14, at, each["sign"], size=12, mono=True, bold=True)
            picture.text(x + 30, at, each["path"], size=12, mono=True, room=room - 90)
            picture.text(x + width - 10, at, size, size=12, ink="soft", anchor="end")
        left = layer["total"] - len(_drawn(layer))
        if left > 0 and not layer["base"]:
            at = y + BOX + 10 + len(_drawn(layer)) * ENTRY
            picture.text(x + 30, at, f"and {left} more", size=12, ink="soft")


def _draw_bridge(picture: Picture, x: float, y: float, to_x: float, to_y: float, hue: str) -> None:
    bend = (x + to_x) / 2
    picture.path(
        f"M{x:.0f} {y:.0f} C{bend:.0f} {y:.0f} {bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}",
        hue=hue,
        thick=3,
    )
