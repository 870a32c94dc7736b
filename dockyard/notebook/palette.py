"""The colours of plots, tables and views, where they are not a theme's."""

from __future__ import annotations

COLOURS = ("#2a78c8", "#d0661a", "#2f8f5b", "#9a5bb5", "#8a7a2a")
"""Told apart by people with any colour vision, readable on white and on black."""

INK = "#808080"
"""For text and axes: the page below may be light or dark."""
