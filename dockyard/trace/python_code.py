"""Python source code for values and calls, with double quotes as in the SDK's documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping


def literal(value: object) -> str:
    """A value as Python source code."""
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


def add_arguments(call: str, arguments: Mapping[str, object]) -> str:
    """A call with more keyword arguments, except those that are empty or False."""
    words = [
        f"{name}={literal(value)}"
        for name, value in arguments.items()
        if value is not False and value not in (None, "", [], {})
    ]
    before = call.removesuffix(")")
    comma = "" if before.endswith("(") or not words else ", "
    return f"{before}{comma}{', '.join(words)})"
