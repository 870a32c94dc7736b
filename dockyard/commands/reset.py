"""``reset``: starts pages of the learner's copy afresh and removes the course's objects."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path, PurePosixPath

from dockyard import cleanup, course, registry
from dockyard.core import docker_client, paths
from dockyard.core.console import Say, say
from dockyard.exceptions import UsageError
from dockyard.labs import attempt as attempts
from dockyard.labs import lab_catalog
from dockyard.learner_copy import course_folder

FOLDERS = ("notebooks", "labs")
"""The folders in which a name without a folder is looked up, in this order."""


def run(options: argparse.Namespace) -> int:
    """Reset what was named; see reset()."""
    return reset(options.notebook, say, everything=options.all)


def reset(name: str | None, say: Say, *, everything: bool) -> int:
    """Start one page afresh and remove its lesson's objects, or all pages and objects.

    The learner's version is kept in the same folder, with date and time in its name. Raises
    UsageError, UnwritableFolder or DiskFull.
    """
    if (name is None) != everything:
        raise UsageError(
            "Say which notebook to reset, or --all.",
            next="For example:  python3 -m dockyard reset 08-registries",
        )
    chosen = _known() if name is None else [_find(name)]
    course_folder.renew(chosen, say)
    labs = [lab_catalog.load(page.stem) for page in chosen if page.parent.name == "labs"]
    if course.answers():
        for lab in labs:
            if attempt := attempts.last(lab):
                say(f"{lab.name}: {attempts.tidy(attempt)}")
        if everything or not labs:
            with closing(docker_client.connect()) as daemon:
                lesson = None if everything else chosen[0].stem
                brought = registry.references() if everything else ()
                say(str(cleanup.remove(daemon, lesson, brought)))
    else:
        say("The engine is not running, so no objects were removed.")
    for lab in labs:
        attempts.forget(lab)
    return 0


def _known() -> list[PurePosixPath]:
    """The pages that can be reset, lessons first."""
    return [page for page in course_folder.pages() if page.parent.name in FOLDERS]


def _find(name: str) -> PurePosixPath:
    folders = [part for part in FOLDERS if part in Path(name).parts] or FOLDERS
    for page in _known():
        if paths.means(name, page.stem) and page.parent.name in folders:
            return page
    raise UsageError(
        f"There is no notebook called {name!r}.",
        next=f"Choose one of: {', '.join(dict.fromkeys(page.stem for page in _known()))}.",
    )
