"""``reset``: restores notebooks and removes the course's objects; nothing else is changed."""

from __future__ import annotations

import argparse
import subprocess
import time
from contextlib import closing
from pathlib import Path

from dockyard import cleanup, course, registry
from dockyard.core import docker_client, paths
from dockyard.core.console import Say, say
from dockyard.exceptions import DockyardError, UsageError
from dockyard.labs import attempt as attempts
from dockyard.labs import lab_catalog

FOLDERS = ("notebooks", "labs")
"""The folders in which a name without a folder is looked up, in this order."""


def run(options: argparse.Namespace) -> int:
    """Reset what was named; see reset()."""
    return reset(options.notebook, say, everything=options.all)


def reset(name: str | None, say: Say, *, everything: bool) -> int:
    """Restore one notebook and remove its lesson's objects, or all notebooks and objects.

    The learner's version is kept in the same folder, with date and time in its name. Raises
    UsageError, or DockyardError when git cannot read the original.
    """
    if (name is None) != everything:
        raise UsageError(
            "Say which notebook to reset, or --all.",
            next="For example:  python3 -m dockyard reset 05-registries",
        )
    chosen = _all() if name is None else [_find(name)]
    for path in chosen:
        if done := restore(path):
            say(done)
    labs = [lab_catalog.load(path.stem) for path in chosen if path.parent.name == "labs"]
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


def restore(path: Path) -> str:
    """Restore the notebook from git; return what was done, or "" when it was unchanged.

    Raises DockyardError, before anything is changed, when git cannot read the original.
    """
    pristine = _git("show", f"HEAD:./{path.relative_to(paths.CHECKOUT).as_posix()}")
    done = f"{path.name} was missing and is restored"
    if path.exists():
        if path.read_bytes() == pristine:
            return ""
        kept = path.with_name(f"{path.stem}.{time.strftime('%Y-%m-%d-%H%M%S')}.ipynb")
        path.replace(kept)
        done = f"{path.name} is restored; your copy is {kept.name}"
    path.write_bytes(pristine)
    return done


def _all() -> list[Path]:
    """The notebooks in the repository, lessons first. Raises DockyardError."""
    listed = _git("ls-files", *(f"{each}/*.ipynb" for each in FOLDERS)).decode().splitlines()
    found = [paths.CHECKOUT / line for line in listed]
    return sorted(found, key=lambda path: FOLDERS.index(path.parent.name))


def _git(*words: str) -> bytes:
    """The output of a git command in the checkout. Raises DockyardError when there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(paths.CHECKOUT), *words], capture_output=True, check=False
        )
    except FileNotFoundError:
        raise DockyardError(
            "The original notebooks are read with git, and git is not installed.",
            next="Install it (Debian, Ubuntu: sudo apt-get install git), then run this again.",
        ) from None
    if done.returncode != 0 or not done.stdout:
        raise DockyardError(
            f"The original notebooks could not be read in {paths.CHECKOUT}.",
            done.stderr.decode(errors="replace").strip() or "It is not a clone of the course.",
            "If git suggests no remedy, copy them from a fresh clone of the course (git clone).",
        )
    return done.stdout


def _find(name: str) -> Path:
    folders = [part for part in FOLDERS if part in Path(name).parts] or FOLDERS
    known = _all()
    for path in known:
        if paths.means(name, path.stem) and path.parent.name in folders:
            return path
    raise UsageError(
        f"There is no notebook called {name!r}.",
        next=f"Choose one of: {', '.join(dict.fromkeys(path.stem for path in known))}.",
    )
