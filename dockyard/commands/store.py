"""``store``: for authors, run notebooks and store their outputs."""

from __future__ import annotations

import argparse

from dockyard.authoring import store
from dockyard.core.console import say


def run(options: argparse.Namespace) -> int:
    """Store lessons, or with ``--labs`` the pages of labs; returns 1 when a cell failed."""
    action = store.store_labs if options.labs else store.store
    return action(options.notebooks, say)
