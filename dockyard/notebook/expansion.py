"""Puts the values of Python variables into shell commands.

IPython does that in ``!`` lines, ``x = !…``, ``%sx`` and ``%system``, but it also halves the braces
of ``{{.Names}}``, and one name that it does not know keeps all others from being replaced. Here
a piece of a command is Python's only if it cannot reasonably be the shell's:

==================================  ================================================================
in the command                      what the command gets
==================================  ================================================================
``$name``, ``$name.attribute``      the value of the Python variable, unless it stands in single
                                    quotes, the environment has the name, or the command sets it
``{expression}``                    the value of the Python expression, in quotes, too, if all its
                                    names exist and at least one is a variable of the notebook
``$$name``                          ``$name``, if there is a Python variable of that name (IPython's
                                    way to name the shell's variable)
``{{.Names}}``, ``{{json .}}``      as typed: double braces are templates of Docker
``${NAME}``, ``$(…)``, ``$1``,      as typed
``$HOME``, ``$?``, ``\\$name``
``{a,b}``, ``{1..3}``,              as typed
``{print $1}``, ``{ …; }``, ``{}``
==================================  ================================================================

Functions, classes and modules are not values for a command. A text without names of Python
variables is never changed.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_CONVERSION = re.compile(r"(.*)!([rsa])\Z", re.DOTALL)
_CONVERSIONS = {"r": repr, "s": str, "a": ascii}

# Where the shell expects a command, assignments that precede one included.
_COMMAND = (
    r"(?:^|[;&|({\n]|\b(?:if|while|until|then|else|do|export|local|declare|typeset|readonly)\s)\s*"
)
_SETS = (
    _COMMAND + r"(?:[A-Za-z_]\w*\+?=\S*\s+)*{name}\+?=",
    _COMMAND + r"(?:for|select)\s+{name}\b",
    _COMMAND + r"(?:read|mapfile|readarray|getopts)\b[^;|&\n]*?\s{name}\b",
    r"\bprintf\s+-v\s+{name}\b",
)


@dataclass(frozen=True)
class Expansion:
    """A command with the values in it, and what its writer may want to know about them."""

    command: str
    remarks: list[str] = field(default_factory=list)


def expand(command: str, names: Mapping[str, Any], environment: Mapping[str, str]) -> Expansion:
    """Put the values of names into a shell command.

    names are the notebook's Python variables. A variable that the environment has as well is the
    shell's.
    """
    if "$" not in command and "{" not in command:
        return Expansion(command)
    return _Expander(command, names, environment).expand()


def set_by(command: str, name: str) -> bool:
    """Whether a shell command sets the shell variable itself (``for name in …``, ``name=…``)."""
    return any(re.search(each.replace("{name}", re.escape(name)), command) for each in _SETS)


def shell_variables(command: str) -> Iterator[tuple[int, str]]:
    """Position and name of each ``$name`` in a command that the shell replaces."""
    scanner = _Scanner(command)
    while scanner.position < len(command):
        start = scanner.position
        found = None
        if not scanner.skip_template() and scanner.at_dollar():
            found = _NAME.match(command, start + 1)
        if found:
            yield start, found[0]
            scanner.position = found.end()
        else:
            scanner.step_from(start)


class _Scanner:
    """Walks through a command and knows what is quoted (bash(1), QUOTING)."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.position = 0
        # ' and " are quotes, ( is the inside of $(…) or (…), ` of backquotes.
        self.inside: list[str] = []

    def at(self, text: str) -> bool:
        return self.command.startswith(text, self.position)

    def at_dollar(self) -> bool:
        """Whether the shell would replace a variable here."""
        return self.at("$") and self.inside[-1:] not in (["'"], ["$'"])

    def skip_template(self) -> bool:
        """Go past a Go template, ``{{…}}``, if there is one here."""
        if not self.at("{{"):
            return False
        end = self.command.find("}}", self.position + 2)
        if end < 0:
            return False
        self.position = end + 2
        return True

    def step_from(self, start: int) -> None:
        """Go past one character or escape sequence, unless the position has moved already."""
        if self.position == start:
            self._step()

    def _step(self) -> None:
        here, within = self.command[self.position], self.inside[-1:]
        self.position += 1
        if within == ["'"]:
            if here == "'":
                self.inside.pop()
        elif within == ["$'"]:
            if here == "\\":
                self.position += 1
            elif here == "'":
                self.inside.pop()
        elif here == "\\":
            self.position += 1
        elif here == "$" and self.at("("):
            self.position += 1
            self.inside.append("(")
        elif here == "$" and self.at("'") and within != ['"']:
            self.position += 1
            self.inside.append("$'")
        elif here in ('"', "`"):
            self._toggle(here)
        elif within != ['"']:
            self._step_unquoted(here)

    def _toggle(self, quote: str) -> None:
        if self.inside[-1:] == [quote]:
            self.inside.pop()
        else:
            self.inside.append(quote)

    def _step_unquoted(self, here: str) -> None:
        if here in ("'", "("):
            self.inside.append(here)
        elif here == ")" and self.inside[-1:] == ["("]:
            self.inside.pop()
        elif here == "#" and (self.position == 1 or self.command[self.position - 2].isspace()):
            end = self.command.find("\n", self.position)
            self.position = len(self.command) if end < 0 else end


class _Expander:
    def __init__(
        self, command: str, names: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        self.command = command
        self.names = names
        self.environment = environment
        self.scanner = _Scanner(command)
        self.remarks: dict[str, None] = {}

    def expand(self) -> Expansion:
        scanner, pieces = self.scanner, []
        while (start := scanner.position) < len(self.command):
            piece = None
            if not scanner.skip_template():
                if scanner.at_dollar():
                    piece = self._dollar()
                elif scanner.at("{") and not self.command.endswith(("$", "\\"), 0, start):
                    piece = self._braces()
            scanner.step_from(start)
            pieces.append(self.command[start : scanner.position] if piece is None else piece)
        return Expansion("".join(pieces), list(self.remarks))

    def _dollar(self) -> str | None:
        """Replace ``$name``; return None if it is the shell's."""
        start = self.scanner.position
        if self.scanner.at("$$"):
            found = _NAME.match(self.command, start + 2)
            if found and self._is_python(found[0]):
                self.scanner.position = found.end()
                return f"${found[0]}"
            self.scanner.position += 2
            return None
        found = _DOTTED.match(self.command, start + 1)
        if not found or not self._is_python(found[0].split(".")[0]):
            return None
        first, *attributes = found[0].split(".")
        value, used = self.names[first], first
        for attribute in attributes:
            # "$name.txt" is a file name, as is "$name.index" if name is a string.
            inner = getattr(value, attribute, None)
            if inner is None or not _is_value(inner):
                break
            value, used = inner, f"{used}.{attribute}"
        if first in self.environment:
            if self.environment[first] != str(value):
                self._remark(
                    f"${first} is the environment's variable here. Python's is {{{first}}}."
                )
            return None
        if not _is_value(value):
            return None
        self.scanner.position = start + 1 + len(used)
        return self._text(value, used)

    def _is_python(self, name: str) -> bool:
        # $_ is the shell's: the last word of the previous command.
        return name in self.names and name.strip("_") != "" and not set_by(self.command, name)

    def _braces(self) -> str | None:
        """Replace ``{expression}``; return None if it is the shell's."""
        start = self.scanner.position
        if self.command[start + 1 : start + 2].isspace():
            return None
        end = start
        while (end := self.command.find("}", end + 1)) > 0:
            inner = self.command[start + 1 : end]
            if (parsed := self._parse(inner)) is None:
                continue
            if self.command.startswith("}", end + 1):
                return None
            code, convert = parsed
            try:
                value = eval(code, {**self.names})
            except Exception as error:
                words = f": {error}" if str(error) else ""
                self._remark(f"{{{inner}}} is left as typed. {type(error).__name__}{words}")
                return None
            if not _is_value(value):
                return None
            self.scanner.position = end + 1
            return convert(value) if convert else self._text(value, inner)
        return None

    def _parse(self, inner: str) -> tuple[Any, Any] | None:
        """Compile an expression of the notebook's variables; return it and a conversion."""
        convert = None
        if found := _CONVERSION.match(inner):
            inner, convert = found[1], _CONVERSIONS[found[2]]
        try:
            with warnings.catch_warnings():
                # Python warns of code such as `x is 1`.
                warnings.simplefilter("ignore")
                tree = ast.parse(inner, mode="eval")
                if isinstance(tree.body, ast.Tuple) or not self._knows(tree):
                    return None
                return compile(tree, "<shell command>", "eval"), convert
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def _knows(self, tree: ast.Expression) -> bool:
        loaded: set[str] = set()
        bound: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                (loaded if isinstance(node.ctx, ast.Load) else bound).add(node.id)
            elif isinstance(node, ast.arg):
                bound.add(node.arg)
        unknown = loaded - bound - self.names.keys() - vars(builtins).keys()
        return not unknown and bool((loaded - bound) & self.names.keys())

    def _text(self, value: object, source: str) -> str:
        if isinstance(value, list) and hasattr(value, "nlstr"):
            # What `x = !command` gives: IPython.utils.text.SList.
            self._remark(f"{source} is a list of lines. Its first line is {{{source}[0]}}.")
        return str(value)

    def _remark(self, text: str) -> None:
        self.remarks[text] = None


def _is_value(thing: object) -> bool:
    return not callable(thing) and not isinstance(thing, ModuleType)
