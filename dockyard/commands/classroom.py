"""``classroom``: evidence of what is done, and the teacher's page, hint, grades, proof, laptops."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from dockyard.core import private_file, whole_file
from dockyard.exceptions import UsageError
from dockyard.sharing import (
    evidence_file,
    gradebook,
    laptops,
    proof,
    room,
    room_page,
    share_magic,
    teacher,
    work_file,
)
from dockyard.sharing.evidence_file import NotEvidence

PAGE = "who-is-where.html"
"""The teacher's page in the folder with the evidence."""


def run(options: argparse.Namespace) -> int:
    """Do what options.action says; returns 0. Raises UsageError or OSError."""
    if options.action != "hint" and options.text:
        raise UsageError("Only hint takes a text.")
    target = Path(options.place).expanduser()
    match options.action:
        case "export":
            _export(target)
        case "work":
            _write_work(target)
        case "prove":
            return _prove(target)
        case "page":
            _page(target, watch=options.watch)
        case "grades":
            print(gradebook.render(_room(target), options.format), end="")
        case "hint":
            said = teacher.write_hint(_folder(target), " ".join(options.text))
            print(f"All see: {said}" if said else "Nothing is said to all now.", file=sys.stderr)
        case "laptops":
            print(laptops.render(laptops.load(_folder(target))))
    return 0


def _export(file: Path) -> None:
    whole_file.write(file, evidence_file.encode(evidence_file.collect()))
    print(f"{file} says:", file=sys.stderr)
    for each in share_magic.SHARED:
        print(f"  - {each}", file=sys.stderr)
    print(f"{share_magic.NOT_SHARED} Read it, then give it to your teacher.", file=sys.stderr)


def _write_work(file: Path) -> None:
    work = work_file.collect()
    if not work.labs:
        raise UsageError(
            "No lab has a task that is done, so there is no work to hand in.",
            next="Check one:  python3 -m dockyard check 03-containers",
        )
    whole_file.write(file, work_file.encode(work))
    print(
        f"{file} holds what you typed and the files you made, in labs only, to do it again:\n"
        + "\n".join(
            f"  - {name}: {len(each.steps) - len(each.done)} cells and commands, "
            f"{len(each.files)} files, {len(each.done)} tasks done"
            for name, each in work.labs.items()
        )
        + "\nRead it, remove what is nobody's business, then give it to your teacher.",
        file=sys.stderr,
    )


def _prove(file: Path) -> int:
    """Do a learner's work again and say what came true; return 0 when all of it did."""
    try:
        work = work_file.read(file)
    except NotEvidence as error:
        raise UsageError(f"{file} cannot be proved: {error}.") from None
    print(f"Doing the work in {file} again; this takes as long as it took.", file=sys.stderr)
    lost = 0
    for lab, results in proof.prove(work).items():
        print(f"{lab}: {sum(each.done for each in results)} of {len(results)} proved again.")
        for each in results:
            print(f"  {'✔' if each.done else '✘'} {each.task}: {each.said}")
            lost += not each.done
    return 1 if lost else 0


def _page(folder: Path, *, watch: bool) -> None:
    """Write the page, with watch again and again until Ctrl-C."""
    _folder(folder)
    file = folder / PAGE
    try:
        while True:
            # Learners may read the folder, not the page.
            private_file.write(file, room_page.render(_room(folder)))
            if not watch:
                print(f"Open {file} in a browser.", file=sys.stderr)
                return
            time.sleep(room_page.AGAIN)
    except KeyboardInterrupt:
        return


def _room(folder: Path) -> room.Room:
    return room.load(_folder(folder))


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder}.",
            next="Name the folder with the learners' files, for example:  "
            "python3 -m dockyard classroom page ~/evidence",
        )
    return folder
