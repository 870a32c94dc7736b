"""``store``: for authors, runs notebooks and stores their outputs."""

from __future__ import annotations

import argparse

from dockyard.authoring import notebook_store
from dockyard.core.console import say


def run(options: argparse.Namespace) -> int:
    """Store lessons, or with ``--labs`` the pages of labs; return 1 when a cell failed."""
    action = notebook_store.store_labs if options.labs else notebook_store.store
    return action(options.notebooks, say, twice=options.twice, renew=options.renew)
