"""``reset``: a pristine notebook, and the course's objects removed; nothing else is touched."""

from __future__ import annotations

import subprocess
import time
from contextlib import closing
from pathlib import Path

from dockyard import client, course, labels, paths
from dockyard.engine.base import Say
from dockyard.exceptions import DockyardError, UsageError
from dockyard.labs import attempt as attempts
from dockyard.labs import catalogue

FOLDERS = ("notebooks", "labs")


def run(name: str | None, say: Say, *, everything: bool) -> int:
    """Restore one notebook and remove its lesson's objects, or do so for the whole course.

    The learner's own copy is kept beside the pristine one, its name with date and time.
    """
    if bool(name) == everything:
        raise UsageError(
            "Say which notebook to reset, or --all.",
            next="For example:  python3 -m dockyard reset 05-registries",
        )
    chosen = _all() if everything else [_find(name)]
    for path in chosen:
        if kept := restore(path):
            say(f"{path.name} is as it came; your copy is {kept.name}")
    labs = [catalogue.load(path.stem) for path in chosen if path.parent.name == "labs"]
    if course.answers():
        for lab in labs:
            if attempt := attempts.current(lab):
                say(f"{lab.name}: {attempts.tidy(attempt)}")
        if everything or not labs:
            with closing(client.connect()) as daemon:
                say(str(labels.remove(daemon, lesson=None if everything else chosen[0].stem)))
    else:
        say("The engine is not running, so no objects were looked for.")
    for lab in labs:
        attempts.forget(lab)
    return 0


def restore(path: Path) -> Path | None:
    """Write the notebook as it was committed; return where the learner's copy went, if any."""
    pristine = _committed(path)
    if path.exists():
        if path.read_bytes() == pristine:
            return None
        kept = path.with_name(f"{path.stem}.{time.strftime('%Y-%m-%d-%H%M%S')}.ipynb")
        path.replace(kept)
    else:
        kept = path
    path.write_bytes(pristine)
    return kept


def _committed(path: Path) -> bytes:
    name = path.relative_to(paths.CHECKOUT).as_posix()
    done = subprocess.run(
        ["git", "-C", str(paths.CHECKOUT), "show", f"HEAD:{name}"], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise DockyardError(
            f"The pristine {name} was not found.",
            done.stderr.decode(errors="replace").strip(),
            "Get it from a fresh clone of the course.",
        )
    return done.stdout


def _all() -> list[Path]:
    done = subprocess.run(
        ["git", "-C", str(paths.CHECKOUT), "ls-files", *(f"{each}/*.ipynb" for each in FOLDERS)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [paths.CHECKOUT / line for line in done.stdout.splitlines()]


def _find(name: str) -> Path:
    stem = Path(name).name.removesuffix(".ipynb")
    folders = [part for part in FOLDERS if part in Path(name).parts] or FOLDERS
    known = _all()
    for path in known:
        if path.stem == stem and path.parent.name in folders:
            return path
    raise UsageError(
        f"There is no notebook called {name!r}.",
        next=f"Choose one of: {', '.join(path.stem for path in known)}.",
    )
