"""How nbval compares the outputs of notebooks."""

from __future__ import annotations

from dockyard.core import paths

SANITIZE = paths.CHECKOUT / "tests" / "sanitize.cfg"
CELL_TIMEOUT = 180
"""Seconds that a cell may take; nbval's default of 2000 would hide a command that hangs."""
