"""What the widgets of questions and predictions have in common: their files and their messages."""

from __future__ import annotations

from pathlib import Path

import anywidget
from traitlets import Unicode

FOLDER = Path(__file__).parent


class Form(anywidget.AnyWidget):
    """A form on the page: radio buttons, and what is said when one was chosen.

    A subclass has its own script and style sheet beside it, put behind form.js and form.css.
    """

    trouble = Unicode(help="Why the answer could not be written down; else empty.").tag(sync=True)

    def __init_subclass__(cls, **options: object) -> None:
        """Put together the script and the style sheet."""
        # Not for the class that add_traits() makes of an object: it has both as traits.
        if "_esm" not in cls.__dict__:
            own = cls.__module__.rpartition(".")[2]
            cls._esm = "\n".join((FOLDER / name).read_text() for name in ("form.js", f"{own}.js"))
            looks = (FOLDER.parent / "notebook" / "theme.css", FOLDER / "form.css")
            cls._css = "".join(sheet.read_text() for sheet in looks)
        super().__init_subclass__(**options)

    def __init__(self, **traits: object) -> None:
        super().__init__(**traits)
        self.on_msg(lambda _, message, __: self.hear(message))

    def hear(self, message: dict) -> None:
        """What the page has sent."""
        raise NotImplementedError
