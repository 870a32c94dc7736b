"""Pieces of Python code, with the quotes of the SDK's documentation."""

from __future__ import annotations

import json
from typing import Any

from dockyard.trace.exchange_text import ID


class Raw(str):
    """Code that is to stand as it is."""


def literal(value: object) -> str:
    """A value as Python code."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        items = (f"{literal(key)}: {literal(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)


def stored(kind: str, text: str) -> str:
    """An object of the SDK: the variable named for its kind when an id names it."""
    return kind if text == ID else f"client.{kind}s.get({literal(text)})"


def with_arguments(call: str, arguments: dict[str, Any]) -> str:
    """A call with more arguments, those that say nothing left out."""
    words = [
        f"{key}={literal(value)}"
        for key, value in arguments.items()
        if value is not False and value not in (None, "", [], {})
    ]
    before = call.removesuffix(")")
    comma = "" if before.endswith("(") or not words else ", "
    return f"{before}{comma}{', '.join(words)})"
