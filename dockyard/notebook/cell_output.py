"""Shows a command's output in a cell: text as it is written, a redrawn screen as one screen.

Some programs move the cursor even without a terminal, to draw a progress bar or a table again and
again (``docker stats``, ``curl``). The last state is what matters, so the cell shows one screen
that changes, and only its last state is stored with the notebook. Colours, and all else that only a
terminal understands, are removed.
"""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from dockyard.notebook.terminal_sequences import Cleaner

if TYPE_CHECKING:
    import pyte

VERTICAL = re.compile(r"\x1b(?:\[[0-9;]*[ABEFHJLMSTdfsu]|[78M])")
# CR LF and CR CR LF are ends of lines (nested pseudo-terminals send the latter).
MOVE = re.compile(rf"\r(?!\r*\n)|\x08|\x1b\[[0-9;]*[CDGPX@]|{VERTICAL.pattern}")
# To the right of what was written, there is nothing to erase.
ERASE = re.compile(r"\x1b\[[0-9]*K")

Region = Callable[[str], None]
"""Shows a text in a place of its own, or replaces the text that it has shown there."""


class Sink(Protocol):
    """Takes the output of a command."""

    def write(self, text: str) -> None:
        """Take some text."""

    def paint(self) -> float | None:
        """Show what is due; return the seconds until something else is due, if ever."""

    def close(self) -> None:
        """Show the rest."""


class CellOutput:
    """Writes a command's output to sys.stdout, and redrawn output to regions.

    region makes a new region. Without it, a redrawn screen is written once it is complete.
    """

    INTERVAL = 0.25
    """Seconds between two states of a region."""
    PATIENCE = 0.5
    """Seconds after which a progress bar gets a region; a quicker one ends as a line of text."""
    TAIL = 8000
    """The number of characters of which tail() returns the last ones."""

    def __init__(self, region: Callable[[], Region] | None = None) -> None:
        self._region = region
        self._cleaner = Cleaner()
        self._line = ""
        self._screen: _LiveScreen | None = None
        self._tail: deque[str] = deque()
        self._kept = 0

    def write(self, text: str) -> None:
        """Take some text of the command."""
        self._take(self._cleaner.clean(text))

    def paint(self) -> float | None:
        """Show a screen that has changed, if it is time; return the seconds until it is."""
        screen = self._screen
        if not (screen and screen.changed and self._region):
            return None
        if (left := screen.due - time.monotonic()) > 0:
            return left
        self._show(screen)
        screen.due = time.monotonic() + self.INTERVAL
        return None

    def close(self) -> None:
        """Show the rest."""
        if self._screen:
            self._commit(self._screen)

    def tail(self) -> str:
        """The end of what was written, without escape sequences."""
        return "".join(self._tail)[-self.TAIL :]

    def _take(self, text: str) -> None:
        while text:
            text = self._take_screen(text) if self._screen else self._take_text(text)

    def _take_text(self, text: str) -> str:
        """Write the text before the first movement of the cursor; return the rest."""
        found = MOVE.search(text)
        if not found:
            self._emit(text)
            return ""
        start = text.rfind("\n", 0, found.start()) + 1
        self._emit(text[:start])
        vertical = VERTICAL.match(text, found.start()) is not None
        delay = self.INTERVAL if vertical else self.PATIENCE
        self._screen = _LiveScreen(time.monotonic() + delay, vertical)
        # What is in this line already has been shown, and the program is about to change it.
        self._screen.feed(self._line)
        return text[start:]

    def _take_screen(self, text: str) -> str:
        """Draw text on the screen; return what comes after a line that is complete."""
        screen = self._screen
        assert screen
        if not screen.vertical and VERTICAL.search(text):
            screen.vertical = True
        end = -1 if screen.vertical else text.find("\n")
        screen.feed(text[:end] if end >= 0 else text)
        if end < 0:
            return ""
        self._commit(screen)
        return text[end + 1 :]

    def _commit(self, screen: _LiveScreen) -> None:
        """Show the last state of a screen, and go on with text."""
        self._screen = None
        if screen.region:
            if screen.changed:
                self._show(screen)
            self._line = ""
        elif text := screen.text():
            self._emit(f"{text.removeprefix(self._line)}\n")
        self._keep(screen.text() + "\n" if screen.region else "")

    def _show(self, screen: _LiveScreen) -> None:
        assert self._region
        if not screen.region:
            screen.region = self._region()
        screen.changed = False
        screen.region(screen.text())

    def _emit(self, text: str) -> None:
        text = ERASE.sub("", text)
        if not text:
            return
        sys.stdout.write(text)
        self._keep(text)
        self._line = text[text.rfind("\n") + 1 :] if "\n" in text else self._line + text

    def _keep(self, text: str) -> None:
        self._tail.append(text)
        self._kept += len(text)
        while self._kept - len(self._tail[0]) > self.TAIL:
            self._kept -= len(self._tail.popleft())


class Capture:
    """Keeps a command's output as it is."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def write(self, text: str) -> None:
        """Take some text."""
        self._pieces.append(text)

    def paint(self) -> float | None:
        """There is nothing to show."""
        return None

    def close(self) -> None:
        """There is nothing to show."""

    def text(self) -> str:
        """All that was written."""
        return "".join(self._pieces)


class _LiveScreen:
    """The screen of a terminal, with the lines that have left it at the top."""

    # Wide, because programs without a terminal do not know a width. Longer than what is redrawn.
    COLUMNS, LINES, HISTORY = 300, 60, 2000

    def __init__(self, due: float, vertical: bool) -> None:
        import pyte

        self.due = due
        self.vertical = vertical
        """Whether lines above the last one can still change."""
        self.region: Region | None = None
        self.changed = False
        self._history: deque[str] = deque(maxlen=self.HISTORY)
        history = self._history

        class Screen(pyte.Screen):
            def index(self) -> None:
                if self.margins is None and self.cursor.y == self.lines - 1:
                    history.append(_text(self, 0))
                super().index()

        self._screen = Screen(self.COLUMNS, self.LINES)
        # A pipe has LF alone where a terminal gets CR LF.
        self._screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self._screen)

    def feed(self, text: str) -> None:
        """Draw text."""
        self._stream.feed(text)
        self.changed = True

    def text(self) -> str:
        """The lines, without empty ones at the end."""
        lines = [*self._history, *(_text(self._screen, line) for line in range(self.LINES))]
        return "\n".join(lines).rstrip("\n")


def _text(screen: pyte.Screen, line: int) -> str:
    # The buffer holds only what was drawn, so this is quicker than screen.display.
    drawn = screen.buffer[line]
    cells = (drawn[column].data for column in range(max(drawn, default=-1) + 1))
    return "".join(cells).rstrip()
