"""Draws SVG pictures that work on static pages and follow the theme in live views.

Every colour is set twice. Presentation attributes are used where there is no style sheet (GitHub,
paper). Classes let a view's style sheet, which takes precedence over attributes (SVG 2, 6.6),
replace them by the theme's colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

SANS = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
MONO_WIDTH = 0.62
SANS_WIDTH = 0.56
"""The width of a letter relative to the font size; slightly more than fonts need."""

COLOURS = {
    "paper": "#ffffff",
    "card": "#f6f8fa",
    "ink": "#1f2328",
    "soft": "#57606a",
    "line": "#8c959f",
    "accent": "#0969da",
    "good": "#1a7f37",
    "bad": "#b3261e",
}

STATES = {
    "created": ("#ffffff", "#57606a", "○"),
    "running": ("#dafbe1", "#1a7f37", "▶"),
    "paused": ("#fff3c4", "#7d5600", "‖"),
    "restarting": ("#ddf4ff", "#0969da", "↻"),
    "exited": ("#e6eaef", "#57606a", "■"),
    "dead": ("#ffe4e1", "#b3261e", "✖"),
    "removing": ("#ffe4e1", "#b3261e", "✖"),
    "removed": ("#ffffff", "#8c959f", "–"),
}
"""For each state of a container: fill, line, and a sign for people who cannot see colours.
The states are those of the Docker Engine API (ContainerState), and ``removed``."""


class Picture:
    """An SVG picture with a title and a description in words."""

    def __init__(self, title: str, description: str, width: float, height: float) -> None:
        self._root = ElementTree.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {_n(width)} {_n(height)}",
                "width": _n(width),
                "height": _n(height),
                "role": "img",
                "font-family": SANS,
                "font-size": "14",
            },
        )
        self._at = [self._root]
        self._add("title").text = _clean(title)
        self._add("desc").text = _clean(description)
        self.rect(0, 0, width, height, fill="paper", radius=8)

    def __str__(self) -> str:
        return ElementTree.tostring(self._root, encoding="unicode")

    @contextmanager
    def group(self, key: str = "", css: str = "") -> Iterator[None]:
        """Group what is drawn inside; a live view highlights a group with a key when it changes."""
        attributes = {"data-key": key} if key else {}
        element = self._add("g", **attributes, **({"class": css} if css else {}))
        self._at.append(element)
        yield
        self._at.pop()

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = "card",
        line: str = "",
        state: str = "",
        hue: str = "",
        radius: float = 6,
        thick: float = 1.5,
    ) -> None:
        """Draw a box in the palette's colours, or in those of a container's state.

        hue is a colour for the line that is the same in all themes.
        """
        area, border = STATES[state][:2] if state else (COLOURS[fill], COLOURS.get(line, "none"))
        border = hue or border
        css = (
            f"dy-state dy-{state}" if state else f"dy-{fill}" + (f" dy-line-{line}" if line else "")
        )
        self._add(
            "rect",
            x=_n(x), y=_n(y), width=_n(width), height=_n(height), rx=_n(radius),
            fill=area, stroke=border,
            **({"stroke-width": _n(thick)} if border != "none" else {}),
            **{"class": css},
        )  # fmt: skip

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        ink: str = "ink",
        size: float = 14,
        mono: bool = False,
        bold: bool = False,
        anchor: str = "start",
        room: float | None = None,
        css: str = "",
    ) -> None:
        """Draw words with their baseline at y; shorten them with an ellipsis to fit into room."""
        element = self._add(
            "text",
            x=_n(x), y=_n(y), fill=COLOURS[ink],
            **({"font-size": _n(size)} if size != 14 else {}),
            **({"font-family": MONO} if mono else {}),
            **({"font-weight": "600"} if bold else {}),
            **({"text-anchor": anchor} if anchor != "start" else {}),
            **{"class": f"dy-{ink}" + (f" {css}" if css else "")},
        )  # fmt: skip
        words = _clean(words)
        element.text = words if room is None else cut(words, room, size=size, mono=mono)

    def path(
        self,
        steps: str,
        *,
        line: str = "line",
        hue: str = "",
        thick: float = 1.5,
        dashed: bool = False,
    ) -> None:
        """Draw a line along the steps of an SVG path. hue: see rect()."""
        dash = {"stroke-dasharray": "4 4"} if dashed else {}
        self._add(
            "path",
            d=steps,
            fill="none",
            stroke=hue or COLOURS[line],
            **{"stroke-width": _n(thick)},
            **({} if hue else {"class": f"dy-line-{line}"}),
            **dash,
        )

    def head(self, x: float, y: float, direction: str, *, line: str = "line") -> None:
        """Draw an arrowhead with its tip at x, y; direction is right, left, up or down."""
        back, side = 9, 5
        corners = {
            "right": ((-back, -side), (-back, side)),
            "left": ((back, -side), (back, side)),
            "up": ((-side, back), (side, back)),
            "down": ((-side, -back), (side, -back)),
        }[direction]
        points = [(x, y), *((x + dx, y + dy) for dx, dy in corners)]
        self._add(
            "polygon",
            points=" ".join(f"{_n(px)},{_n(py)}" for px, py in points),
            fill=COLOURS[line],
            **{"class": f"dy-{line}"},
        )

    def circle(
        self, x: float, y: float, radius: float, *, fill: str = "line", hue: str = ""
    ) -> None:
        """Draw a filled circle."""
        self._add(
            "circle",
            cx=_n(x),
            cy=_n(y),
            r=_n(radius),
            fill=hue or COLOURS[fill],
            **({} if hue else {"class": f"dy-{fill}"}),
        )

    def _add(self, tag: str, **attributes: str) -> ElementTree.Element:
        return ElementTree.SubElement(self._at[-1], tag, attributes)


def width_of(words: str, *, size: float = 14, mono: bool = False) -> float:
    """An upper estimate of the width of words, in units of the picture."""
    return len(words) * size * (MONO_WIDTH if mono else SANS_WIDTH)


def cut(words: str, room: float, *, size: float = 14, mono: bool = False) -> str:
    """Shorten words in the middle if they are wider than room."""
    if width_of(words, size=size, mono=mono) <= room:
        return words
    kept = max(3, int(room / width_of("m", size=size, mono=mono)) - 1)
    front = (kept + 1) // 2
    return f"{words[:front]}…{words[len(words) - (kept - front) :]}"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _clean(words: str) -> str:
    # Characters that XML does not allow (XML 1.0, 2.2) make the whole picture unreadable.
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "�", words)
