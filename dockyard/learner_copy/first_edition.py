"""Brings a learner's notebooks and files of the first edition to the learner's copy.

In the first edition lessons had other numbers, and learners worked in the checkout itself.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from dockyard.core import paths, whole_file
from dockyard.core.console import Say

RENUMBERED = {
    "02-architecture": ("09-architecture",),
    "03-daemon": ("10-daemon",),
    "04-client": ("11-client",),
    "05-registries": ("08-registries",),
    "06-images": ("04-images",),
    "07-containers": ("03-containers",),
    "08-networks-volumes-plugins": ("06-networks-and-plugins", "05-storage"),
    "09-basic-commands": ("02-basic-commands",),
    "10-compose": ("07-compose",),
    "11-services": ("12-services",),
    "12-advantages": ("13-advantages",),
    "13-limitations": ("14-limitations",),
    "14-capstone": ("15-capstone",),
    "15-clinic": ("16-clinic",),
}
"""Where the subjects of a page of the first edition are now."""

OF_BOTH = ("00-start-here", "01-what-docker-is")
"""Pages that have kept their numbers."""

DATED = re.compile(r"\.\d{4}-\d\d-\d\d-\d{6}$")
"""How the name of a page ends that ``reset`` has kept."""


def is_learners(page: PurePosixPath) -> bool:
    """Whether a notebook among the course's is one that a learner has from the first edition.

    Such as ``notebooks/07-containers.ipynb``, or one that ``reset`` has kept there.
    """
    stem = DATED.sub("", page.stem)
    return page.suffix == ".ipynb" and (stem in RENUMBERED or stem != page.stem)


def folder() -> Path:
    """Where the learner finds the pages of the first edition."""
    return paths.learner_copy() / "first-edition"


def bring_pages(say: Say) -> None:
    """Copy the learner's notebooks of the first edition to the learner's copy, as they are.

    They are in the checkout, or in changes that ``git stash`` has put aside. Folders with the files
    of lessons and labs are linked. What was brought once is not brought again. Raises OSError.
    """
    record = paths.learner_copy() / ".first-edition.json"
    brought: list[str] = []
    with suppress(OSError, ValueError):
        brought = json.loads(record.read_text())
    pages = {f"{page}": file.read_bytes() for page, file in _left()}
    pages |= _stashed()
    new = [name for name in pages if name not in brought]
    for name in new:
        file = folder() / name
        file.parent.mkdir(parents=True, exist_ok=True)
        whole_file.write(file, pages[name])
    links = [name for name in _work_folders() if name not in brought]
    for name in links:
        link = folder() / name
        link.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(paths.CHECKOUT / name)
    if new or links:
        whole_file.write(record, json.dumps([*brought, *new, *links], indent=1).encode())
        say(f"{len(new)} notebooks and {len(links)} folders of the first edition are in {folder()}")


def _left() -> Iterator[tuple[PurePosixPath, Path]]:
    """The learner's notebooks in the checkout."""
    for name in ("notebooks", "labs", "solutions"):
        for file in sorted((paths.CHECKOUT / name).glob("*.ipynb")):
            page = PurePosixPath(name, file.name)
            if is_learners(page):
                yield page, file


def _work_folders() -> Iterator[str]:
    """The learner's folders with files of lessons and labs, by their paths in the checkout."""
    for name in ("notebooks/work", "labs/work"):
        for file in sorted((paths.CHECKOUT / name).glob("*/")):
            page = DATED.sub("", file.name)
            if page in RENUMBERED or (page in OF_BOTH and name.startswith("labs")):
                yield f"{name}/{file.name}"


def _stashed() -> dict[str, bytes]:
    """The notebooks in changes to the first edition that were put aside with ``git stash``."""
    pages: dict[str, bytes] = {}
    for stash in _git("stash", "list", "--format=%H").decode().split():
        if not _git("cat-file", "-t", f"{stash}^1:./notebooks/07-containers.ipynb"):
            continue
        changed = _git("diff", "--name-only", "--relative", "-z", "--diff-filter=AM",
                       f"{stash}^1", stash)  # fmt: skip
        untracked = _git("ls-tree", "-r", "--name-only", "-z", f"{stash}^3")
        for commit, names in ((stash, changed), (f"{stash}^3", untracked)):
            for name in filter(_is_notebook, names.decode(errors="replace").split("\0")):
                pages.setdefault(name, _git("show", f"{commit}:./{name}"))
    return pages


def _is_notebook(name: str) -> bool:
    return bool(re.fullmatch(r"(notebooks|labs|solutions)/[\w.-]+\.ipynb", name))


def _git(*words: str) -> bytes:
    """What git prints for this checkout; empty where there is none, or it fails."""
    with suppress(OSError):
        done = subprocess.run(
            ["git", "-C", str(paths.CHECKOUT), *words], capture_output=True, check=False
        )
        return done.stdout if done.returncode == 0 else b""
    return b""
