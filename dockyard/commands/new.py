"""``new``: for authors, creates the files of a lesson, lab or view."""

from __future__ import annotations

import argparse

from dockyard.authoring import skeletons
from dockyard.core import paths
from dockyard.core.console import say


def run(options: argparse.Namespace) -> int:
    """Create the files, print their names and the next commands; return 0."""
    skeleton = skeletons.SKELETONS[options.kind](options.name)
    for file in skeletons.create(skeleton):
        say(f"wrote {file.relative_to(paths.CHECKOUT)}")
    print(skeleton.next)
    return 0
