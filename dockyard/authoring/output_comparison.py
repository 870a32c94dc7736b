"""Compares outputs: docker's tables and progress by content, the rest after tests/sanitize.cfg.

Pictures (PNG) are not compared. They plot measured values, so their pixels differ on every run;
what a plot shows is in its text/plain description, which is compared.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from copy import deepcopy
from pathlib import Path

from nbformat import NotebookNode
from nbval.plugin import coalesce_streams, get_sanitize_patterns

from dockyard.authoring.docker_output import normalise
from dockyard.authoring.nbval_options import SANITIZE

Rules = dict[str, str]
"""What replaces each regular expression, in the order in which they apply."""

NOT_COMPARED = ("image/png",)
NBVAL_IGNORES = frozenset({"nbval-ignore-output", "nbval-skip"})
"""The tags of cells whose outputs nbval does not compare."""

DRAWN_VALUE = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{0,52}\b|(127\.0\.0\.1:\d{4,5})\b")
"""An id, of which the first 12 characters count, or a published port: new on each run."""


def load_rules(file: Path = SANITIZE) -> Rules:
    """Read the rules with nbval's own parser."""
    return dict(get_sanitize_patterns(file.read_text(encoding="utf-8")))


def comparable(outputs: list[NotebookNode], rules: Rules) -> dict[str, list[str]]:
    """Return what nbval compares of a cell's outputs, by stream or MIME type, after the rules."""
    found = defaultdict(list)
    for output in coalesce_streams(deepcopy(outputs)):
        if output.output_type == "stream":
            found[output.name].append(sanitize(output.text, rules))
        elif output.output_type == "error":
            found["error"].append(sanitize(f"{output.ename}: {output.evalue}", rules))
        else:
            for mime, data in output.data.items():
                if mime not in NOT_COMPARED:
                    found[mime].append(sanitize(str(data), rules))
    return dict(found)


def sanitize(text: str, rules: Rules) -> str:
    """Return what is compared of a text: normalised, then with each rule applied."""
    text = normalise(text)
    for expression, replacement in rules.items():
        text = re.sub(expression, replacement, text)
    return text


def differing_lines(
    old: list[NotebookNode], new: list[NotebookNode], rules: Rules
) -> list[tuple[str, str]]:
    """Return the lines that differ after the rules, as pairs of old and new.

    A line without a counterpart is paired with an empty string.
    """
    before, after = comparable(old, rules), comparable(new, rules)
    pairs: list[tuple[str, str]] = []
    for key in [*before, *(key for key in after if key not in before)]:
        left = "\n".join(before.get(key, [])).splitlines()
        right = "\n".join(after.get(key, [])).splitlines()
        # Not "junk": a line that is repeated often counts like any other.
        matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
        for change, i1, i2, j1, j2 in matcher.get_opcodes():
            if change == "equal":
                continue
            removed, added = left[i1:i2], right[j1:j2]
            length = max(len(removed), len(added))
            removed += [""] * (length - len(removed))
            added += [""] * (length - len(added))
            pairs += zip(removed, added, strict=True)
    return pairs


def keep_equal_outputs(old: NotebookNode, new: NotebookNode, rules: Rules) -> list[str]:
    """Give the cells of new their outputs in old where they are equal; return the other cells' ids.

    Cells that nbval does not compare keep their outputs while their source is the same and they
    do not fail. Pictures are kept while source and description are the same. A cell that shows
    an id or port which a changed cell shows too counts as changed, as the page would otherwise
    give one container two ids.
    """
    before = {cell.id: cell for cell in old.cells if cell.cell_type == "code"}
    after = {cell.id: cell for cell in new.cells if cell.cell_type == "code"}
    kept = {
        name for name, cell in after.items() if name in before and _equal(before[name], cell, rules)
    }
    drawn = {name: _drawn_values(cell) for name, cell in after.items()}
    replaced = {name: drawn[name] - _drawn_values(before[name]) for name in kept}
    shown: set[str] = set().union(*(drawn[name] for name in after if name not in kept))
    while related := {name for name in kept if replaced[name] & shown}:
        kept -= related
        shown = shown.union(*(drawn[name] for name in related))
    for name in kept:
        after[name].outputs = before[name].outputs
    return [name for name in after if name not in kept]


def _equal(old: NotebookNode, new: NotebookNode, rules: Rules) -> bool:
    same_source = old.source == new.source
    if not is_compared(new):
        return same_source and not any(output.output_type == "error" for output in new.outputs)
    if comparable(old.outputs, rules) != comparable(new.outputs, rules):
        return False
    return same_source or not any("image/png" in output.get("data", {}) for output in new.outputs)


def is_compared(cell: NotebookNode) -> bool:
    """Whether nbval compares the outputs of a cell."""
    return not NBVAL_IGNORES & set(cell.metadata.get("tags", []))


def _drawn_values(cell: NotebookNode) -> set[str]:
    # As printed: a table or a document has its ids, which are not compared, too.
    texts = [
        str(text)
        for output in cell.outputs
        for text in (output.get("text", ""), *output.get("data", {}).values())
    ]
    found = DRAWN_VALUE.findall("\n".join(texts))
    return {identifier or port for identifier, port in found}
