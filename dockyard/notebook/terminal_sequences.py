"""Leaves of a command's output only what a cell can show: text and the movements of the cursor.

What a container prints is written for a terminal, or against one: it can set the clipboard, the
window's title or a link, ask the terminal questions, or have more parameters than a program expects
that draws the screen. In a cell none of this has a use, so it never reaches the notebook.
"""

from __future__ import annotations

import re

# ECMA-48, section 5.4: control sequences. Section 5.6: control strings, such as operating system
# commands (OSC). Each begins with ESC and a letter, or with one character from 0x80 to 0x9f.
_CSI = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*"
# A string that is never ended must not hide what comes after its line.
_STRING = r"(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x08\n\x0e-\x1f\x7f-\x9f]*"
_OTHER = r"\x1b[ -/]*"
_CONTROLS = r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]"

_SEQUENCE = re.compile(
    rf"{_STRING}(?:\x1b\\|[\x07\x9c])?|{_CSI}[@-~]?|{_OTHER}[0-~]?|{_CONTROLS}|(?<!\r)\r\r+"
)
_MOVEMENT = re.compile(
    r"\x1b(?:\[(?:[0-9]{0,4}[A-GJKPLMSTXdsu@]|[0-9]{0,4}(?:;[0-9]{0,4})?[Hf])|[78M])"
)
# A read can end within a sequence, or between CR and LF.
_UNFINISHED = re.compile(rf"(?:{_STRING}\x1b?|{_CSI}|{_OTHER}|(?<!\r)\r+)\Z")

LONGEST = 256
"""The number of characters of an unfinished sequence that are kept."""


class Cleaner:
    """Cleans text that comes in pieces."""

    def __init__(self) -> None:
        self._held = ""

    def clean(self, piece: str) -> str:
        """Take a piece; return what can be shown now. An unfinished sequence waits for its end."""
        text = self._held + piece
        found = _UNFINISHED.search(text)
        self._held = found[0] if found else ""
        complete = text[: len(text) - len(self._held)]
        if len(self._held) > LONGEST:
            self._held = _shortened(self._held)
        return _SEQUENCE.sub(_replacement, complete)


def _replacement(found: re.Match[str]) -> str:
    if found[0].startswith("\r"):
        return "\r"
    return found[0] if _MOVEMENT.fullmatch(found[0]) else ""


def _shortened(held: str) -> str:
    """An unfinished sequence that will be left out as this one would."""
    if held.startswith("\r"):
        return "\r"
    # "?" makes a control sequence a private one, which is no movement.
    begin = held[:2] + "?" if held.startswith("\x1b[") else held[: 1 + held.startswith("\x1b")]
    return begin + ("\x1b" if held.endswith("\x1b") else "")
