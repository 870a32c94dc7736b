"""The day before: one table over all laptops, from files with the output of ``doctor --json``."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from dockyard.core.console import printable
from dockyard.sharing.evidence_file import NotEvidence, content_of

LIMIT = 200_000
"""Bytes; a report has a fiftieth of it."""

MOST = 1000
WIDTH = 100
"""Characters of what there is to do."""

Text = Annotated[str, Meta(max_length=5000)]


class _Need(msgspec.Struct):
    name: Text = ""
    met: bool = True
    found: Text = ""
    next: Text = ""
    optional: bool = False


class _Engine(msgspec.Struct):
    provider: Text = ""
    needs: list[_Need] = []


class _Notice(msgspec.Struct):
    what: Text = ""
    next: Text = ""
    harmful: bool = True


class _Report(msgspec.Struct):
    """What the table uses of a report (dockyard/doctor/report.py)."""

    providers: list[_Engine]
    chosen: Text | None
    noticed: list[_Notice] = []
    machine: dict[Text, Text] = {}


@dataclass(frozen=True)
class Laptop:
    """One laptop: whose it is by the file's name, its engine, and what is to be done there."""

    name: str
    ready: str
    """``yes``, ``look`` when commands may fail although an engine works, ``NO``, or ``?``."""
    engine: str
    to_do: str


def load(folder: Path) -> list[Laptop]:
    """The laptops whose reports are in a folder, those that are not ready first."""
    files = sorted(folder.glob("*.json"))
    found = [_laptop(file) for file in itertools.islice(files, MOST)]
    order = ("NO", "?", "look", "yes")
    return sorted(found, key=lambda each: order.index(each.ready))


def render(laptops: Sequence[Laptop]) -> str:
    """A table for a terminal, and a last line that counts."""
    rows = [("laptop", "ready", "engine", "what to do")]
    rows += [(each.name, each.ready, each.engine, each.to_do) for each in laptops]
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    ready = sum(each.ready == "yes" for each in laptops)
    return "\n".join([*map(str.rstrip, lines), f"{ready} of {len(laptops)} are ready."])


def _laptop(file: Path) -> Laptop:
    name = _short(file.stem, 30)
    try:
        content, _ = content_of(file, LIMIT)
        report = msgspec.json.decode(content, type=_Report)
    except NotEvidence as error:
        return Laptop(name, "?", "", f"this file is no report: {error}")
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return Laptop(name, "?", "", "this file is no report of  doctor --json")
    if not report.chosen:
        return Laptop(name, "NO", "none", _short(_missing(report), WIDTH))
    engine = _short(report.chosen, 12)
    harmful = [notice for notice in report.noticed if notice.harmful]
    if harmful:
        return Laptop(name, "look", engine, _short(harmful[0].what, WIDTH))
    return Laptop(name, "yes", engine, "")


def _missing(report: _Report) -> str:
    """What the engine lacks that lacks least."""
    lacks = [
        [need for need in engine.needs if not need.met and not need.optional]
        for engine in report.providers
    ]
    if not lacks:
        return "doctor knows no engine for it"
    need = min(lacks, key=len)[0] if min(map(len, lacks)) else _Need()
    return f"{need.name}: {need.found}" + (f"; {need.next}" if need.next else "")


def _short(text: str, width: int) -> str:
    return textwrap.shorten(printable(text), width, placeholder=" …") or "?"
