"""The folder of the learner's copy: brings it up to date and starts single pages afresh.

What a learner has changed is never overwritten: it stays, and a new edition is put beside it. The
copy has the same layout as the checkout, so that relative links lead to the same pages.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath

from dockyard.core import paths, whole_file
from dockyard.core.console import Say
from dockyard.core.process import Lock
from dockyard.exceptions import DiskFull, UnwritableFolder
from dockyard.learner_copy import first_edition, page_text, trust

FOLDERS = ("notebooks", "labs", "solutions")
START = PurePosixPath("notebooks/00-start-here.ipynb")
"""The page that the course opens with."""

REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)
NOT_COPIED = ("work", "__pycache__")
"""Folders for files that running a notebook makes."""


@dataclass
class _Record:
    """What the learner was given, by the hash of page_text.fingerprint()."""

    given: dict[str, str] = field(default_factory=dict)
    """Of each file, the edition that was written; the file is untouched while it still is that."""

    offered: dict[str, str] = field(default_factory=dict)
    """Of each file that the learner has changed, the later edition that was put beside it."""

    unsigned: list[str] = field(default_factory=list)
    """Notebooks that were written and still have to be signed."""

    @classmethod
    def load(cls, folder: Path) -> _Record:
        """The record; an empty one makes every file that differs count as the learner's."""
        try:
            return cls(**json.loads(_record_file(folder).read_text()))
        except (OSError, ValueError, TypeError):
            return cls()

    def save(self, folder: Path) -> None:
        _write(_record_file(folder), (json.dumps(asdict(self), indent=1) + "\n").encode())


def _record_file(folder: Path) -> Path:
    return folder / ".given.json"


def update(say: Say) -> Path:
    """Bring the copy up to date with the course; return its folder.

    Files that the learner has not touched are replaced, added and removed as the course's are.
    Notebooks that the learner has from the first edition are brought along.
    Raises UnwritableFolder, DiskFull or Busy; what was written until then is whole.
    """
    with _opened(say) as copy:
        for page in copy.sources:
            copy.bring(page)
        copy.remove_retired()
        first_edition.bring_pages(say)
    return copy.folder


def renew(pages: list[PurePosixPath], say: Say) -> None:
    """Start pages afresh; a version with changes is kept in the same folder, with date and time.

    Raises like update().
    """
    with _opened(say) as copy:
        for page in pages:
            copy.renew(page)


def pages() -> list[PurePosixPath]:
    """The notebooks of the course by their paths in it, lessons first."""
    return [page for page in _sources() if page.suffix == ".ipynb"]


@contextmanager
def _opened(say: Say) -> Iterator[_Copy]:
    folder = paths.learner_copy()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Lock(".copy", timeout=60, folder=folder):
            copy = _Copy(folder, say)
            try:
                yield copy
            finally:
                copy.close()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"There is no room for your copy of the notebooks in {folder}.",
                f"{error.strerror}. What was copied so far is whole.",
                "Free a few megabytes, then run this again:  python3 -m dockyard learn",
            ) from None
        if error.errno not in REFUSALS:
            raise
        raise UnwritableFolder(folder, f"{error.strerror}.") from None


class _Copy:
    """The folder while it is being changed."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder
        self.sources = _sources()
        self._say = say
        self._record = _Record.load(folder)
        # An interrupted copy leaves at most one file of this name.
        for name in FOLDERS:
            for part in (folder / name).rglob(".*.part"):
                part.unlink(missing_ok=True)

    def bring(self, page: PurePosixPath) -> None:
        """Bring one file up to date."""
        content = self._content(page)
        edition = page_text.fingerprint(content, page)
        found = self._fingerprint(page)
        if found == edition:
            self._record.given[str(page)] = edition
            if trust.is_new():
                self._to_sign(page)
        elif found is None or self._untouched(page, found):
            self._give(page, content, edition)
        else:
            known = (self._record.given.get(str(page)), self._record.offered.get(str(page)))
            if edition not in known:
                self._offer(page, content, edition)
            return
        self._withdraw(page)

    def renew(self, page: PurePosixPath) -> None:
        """Give one file anew; keep what the learner has made of it."""
        content = self._content(page)
        edition = page_text.fingerprint(content, page)
        found = self._fingerprint(page)
        if found == edition:
            return
        done = f"{page.name} was missing and is restored"
        if found is not None:
            stamp = time.strftime("%Y-%m-%d-%H%M%S")
            kept = page.with_name(f"{page.stem}.{stamp}{page.suffix}")
            (self.folder / page).replace(self.folder / kept)
            done = f"{page.name} is as it came; your version is {kept.name}"
        self._give(page, content, edition)
        self._withdraw(page)
        self._say(done)

    def remove_retired(self) -> None:
        """Remove untouched files that the course no longer has; leave the others alone."""
        for name in list(self._record.given):
            page = PurePosixPath(name)
            if page in self.sources or _beside(page) in self.sources:
                continue
            found = self._fingerprint(page)
            if found is None or self._untouched(page, found):
                (self.folder / page).unlink(missing_ok=True)
                del self._record.given[name]

    def close(self) -> None:
        """Sign what was written and save the record."""
        try:
            if unsigned := [self.folder / name for name in self._record.unsigned]:
                trust.sign(file.read_bytes() for file in unsigned if file.exists())
                self._record.unsigned.clear()
        finally:
            self._record.save(self.folder)

    def _content(self, page: PurePosixPath) -> bytes:
        source = self.sources[page]
        if page.suffix != ".ipynb":
            return source.read_bytes()
        text = source.read_text(encoding="utf-8")
        return page_text.make(text, page, set(self.sources)).encode()

    def _fingerprint(self, page: PurePosixPath) -> str | None:
        """The hash of the file that the learner has now; None without one."""
        try:
            return page_text.fingerprint((self.folder / page).read_bytes(), page)
        except FileNotFoundError:
            return None

    def _untouched(self, page: PurePosixPath, found: str) -> bool:
        return found == self._record.given.get(str(page))

    def _give(self, page: PurePosixPath, content: bytes, edition: str) -> None:
        _write(self.folder / page, content)
        self._record.given[str(page)] = edition
        self._to_sign(page)

    def _to_sign(self, page: PurePosixPath) -> None:
        if page.suffix == ".ipynb" and str(page) not in self._record.unsigned:
            self._record.unsigned.append(str(page))

    def _offer(self, page: PurePosixPath, content: bytes, edition: str) -> None:
        """Put a new edition beside the file that the learner has changed."""
        for number in count(1):
            beside = page.with_name(f"{page.stem}.new{number if number > 1 else ''}{page.suffix}")
            found = self._fingerprint(beside)
            if found is None or self._untouched(beside, found):
                break
        self._give(beside, content, edition)
        self._record.offered[str(page)] = edition
        self._say(f"{page.name} was updated: the new one is {beside.name}, yours is kept")

    def _withdraw(self, page: PurePosixPath) -> None:
        """Remove untouched new editions beside a file that is itself the newest one."""
        self._record.offered.pop(str(page), None)
        for name in list(self._record.given):
            beside = PurePosixPath(name)
            if _beside(beside) != page:
                continue
            found = self._fingerprint(beside)
            if found is not None and self._untouched(beside, found):
                (self.folder / beside).unlink()
            del self._record.given[name]


def _beside(page: PurePosixPath) -> PurePosixPath | None:
    """The file beside which this one was put as a new edition; None when it is not one."""
    stem, dot, number = page.stem.rpartition(".new")
    if not dot or (number and not number.isdigit()):
        return None
    return page.with_name(stem + page.suffix)


def _sources() -> dict[PurePosixPath, Path]:
    """The files of the course to copy, by their paths in it: lessons, labs, solutions."""
    found = {}
    for name in FOLDERS:
        for file in sorted((paths.CHECKOUT / name).rglob("*")):
            page = PurePosixPath(file.relative_to(paths.CHECKOUT).as_posix())
            hidden = any(part.startswith(".") or part in NOT_COPIED for part in page.parts)
            if file.is_file() and not hidden and not first_edition.is_learners(page):
                found[page] = file
    return found


def _write(file: Path, content: bytes) -> None:
    """Write a file as a whole, and the folder for it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    whole_file.write(file, content)
