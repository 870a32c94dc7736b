"""Signs notebooks, so that JupyterLab shows their views and styles before anything has run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dockyard.core import paths


def folder() -> Path:
    """The course's own Jupyter data folder (``JUPYTER_DATA_DIR``), which holds the signatures."""
    return paths.jupyter() / "data"


def is_new() -> bool:
    """Whether nothing has been signed in this home yet."""
    return not (folder() / "nbsignatures.db").exists()


def sign(notebooks: Iterable[bytes]) -> None:
    """Sign notebooks with the course's own key. Raises OSError.

    A learner's own key, in ``~/.local/share/jupyter``, is not used.
    """
    # Importing it takes longer than everything else, and mostly there is nothing to sign.
    from nbformat import v4
    from nbformat.sign import NotebookNotary

    folder().mkdir(parents=True, exist_ok=True)
    with NotebookNotary(data_dir=str(folder())) as notary:
        for each in notebooks:
            # Not nbformat.reads(), which validates: that takes ten times as long.
            notary.sign(v4.reads(each.decode()))
