"""TOML data files, checked against a schema when they are read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform, get_args

import msgspec

from dockyard.core import paths
from dockyard.exceptions import InvalidDataFile, UsageError

T = TypeVar("T")
Key = str | int
"""A key of a table, or an index into an array."""


@dataclass_transform(frozen_default=True)
class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a data file: every key is known, and has one type."""


def names(folder: Path) -> list[str]:
    """The names of the data files in a folder, without their suffix, in order."""
    return sorted(file.stem for file in folder.glob("*.toml"))


def choose(folder: Path, word: str, failure: str) -> str:
    """The name of the data file that a word means, by name or by the number it begins with.

    Raises UsageError with the failure and all names.
    """
    found = [name for name in names(folder) if paths.means(word, name)]
    if len(found) != 1:
        raise UsageError(failure, next=f"Choose one of: {', '.join(names(folder))}.")
    return found[0]


def load(file: Path, schema: type[T]) -> T:
    """The content of a TOML file.

    schema is any type that msgspec.convert() takes; tables are subclasses of Record. Raises
    InvalidDataFile with the file, the key and its line.
    """
    text = file.read_text()
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidDataFile(_short(file), f"{error}.", _advice(schema)) from None
    try:
        return msgspec.convert(data, schema)
    except msgspec.ValidationError as error:
        fault, keys = _locate(data, schema, error)
        line = find_line(text, keys)
        where = f"Line {line}" + (f", in {_dotted(keys)}" if keys else "")
        raise InvalidDataFile(_short(file), f"{where}: {fault}.", _advice(schema)) from None


def find_line(text: str, keys: list[Key]) -> int:
    """The line, from 1, of a key in a TOML document, or of the nearest key around it.

    Inline tables count as a part of the key that holds them.
    """
    best, depth = 1, 0
    arrays: dict[tuple[Key, ...], int] = {}
    table: list[Key] = []
    quotes = ""
    for number, line in enumerate(text.splitlines(), 1):
        # The commands in multi-line strings may look like TOML.
        if quotes:
            quotes = "" if line.count(quotes) % 2 else quotes
            continue
        if header := re.match(r"\s*(\[\[?)([^\[\]]+)\]", line):
            table = _open_table(header[2], header[1] == "[[", arrays)
            here = table
        elif key := re.match(r"\s*([\w\"'-]+)\s*=", line):
            here = [*table, key[1].strip("\"'")]
        else:
            here = []
        if depth < len(here) and here == keys[: len(here)]:
            best, depth = number, len(here)
        quotes = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), "")
    return best


def _open_table(name: str, is_array: bool, arrays: dict[tuple[Key, ...], int]) -> list[Key]:
    """The keys that lead to a table; arrays holds the index that each array of tables is at."""
    table: list[Key] = []
    parts = [part.strip().strip("\"'") for part in name.split(".")]
    for left, part in zip(reversed(range(len(parts))), parts, strict=True):
        table.append(part)
        here = tuple(table)
        if is_array and not left:
            arrays[here] = arrays.get(here, -1) + 1
        if here in arrays:
            table.append(arrays[here])
    return table


def _locate(data: Any, schema: object, error: msgspec.ValidationError) -> tuple[str, list[Key]]:
    """What is wrong, and the keys that lead there.

    msgspec writes [...] for any key of a dict. The key is found by leaving out all the others.
    """
    fault, _, path = str(error).partition(" - at `$")
    keys: list[Key] = []
    table = data
    for index, name in re.findall(r"\[(\d+|\.\.\.)\]|\.([^.\[`]+)", path):
        if index == "...":
            found = _only_faulty_key(data, table, schema, str(error))
            if found is None:
                break
            keys.append(found)
        else:
            keys.append(int(index) if index else name)
        table = table[keys[-1]]
    if unknown := re.search(r"unknown field `(.+)`", fault):
        keys.append(unknown[1])
    return fault, keys


def _only_faulty_key(data: Any, table: dict[str, Any], schema: object, error: str) -> str | None:
    """The key of a table in data without which the error is another; the others are removed."""
    whole = dict(table)
    for key, value in whole.items():
        table.clear()
        table[key] = value
        try:
            msgspec.convert(data, schema)
        except msgspec.ValidationError as found:
            if str(found) == error:
                return key
    table.update(whole)
    return None


def _dotted(keys: list[Key]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.removeprefix(".")


def _short(file: Path) -> Path:
    return file.relative_to(paths.CHECKOUT) if file.is_relative_to(paths.CHECKOUT) else file


def _advice(schema: object) -> str:
    *_, record = schema, *get_args(schema)
    return f"Its format is described at the top of {record.__module__.replace('.', '/')}.py."
