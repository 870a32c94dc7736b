"""What the widgets for questions and predictions have in common: files and messages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Unicode

FOLDER = Path(__file__).parent
Bundle = tuple[dict[str, Any], dict[str, Any]]
"""Data by MIME type, and their metadata."""


class Form(anywidget.AnyWidget):
    """A form with radio buttons.

    The script of a subclass is beside its module, under the same name, and is appended to form.js.
    """

    trouble = Unicode(help="Why the answer could not be saved; empty when it was.").tag(sync=True)

    def __init_subclass__(cls, **options: Any) -> None:
        """Join the scripts and the style sheets."""
        # add_traits() makes a subclass of the object's class, which already has both as traits.
        if "_esm" not in cls.__dict__:
            own = Path(sys.modules[cls.__module__].__file__ or "").with_suffix(".js")
            scripts = (FOLDER / "form.js", *([own] if own.exists() else []))
            cls._esm = "\n".join(script.read_text() for script in scripts)
            sheets = (FOLDER.parent / "notebook" / "theme.css", FOLDER / "form.css")
            cls._css = "".join(sheet.read_text() for sheet in sheets)
        super().__init_subclass__(**options)

    def __init__(self, **traits: object) -> None:
        super().__init__(**traits)
        self.on_msg(lambda _, message, __: self.receive(message))

    def receive(self, message: dict[str, str]) -> None:
        """Handle a message from the page."""
        raise NotImplementedError

    def static_data(self) -> dict[str, str]:
        """The form for pages without a kernel, by MIME type."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return data | self.static_data(), metadata
