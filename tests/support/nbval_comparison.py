"""Makes nbval compare as ``store`` does: docker's tables and progress by their content."""

from __future__ import annotations

from typing import Any

from nbval.plugin import IPyNbCell

from dockyard.authoring.output_comparison import sanitize


def _sanitize(cell: Any, value: Any) -> Any:
    return sanitize(value, cell.parent.sanitize_patterns) if isinstance(value, str) else value


IPyNbCell.sanitize = _sanitize
