"""The colours of plots, tables and views that do not depend on the theme."""

from __future__ import annotations

COLOURS = ("#2a78c8", "#d0661a", "#2f8f5b", "#9a5bb5", "#8a7a2a")
"""Distinguishable with any colour vision, readable on white and on black."""

INK = "#808080"
"""For text and axes, on light and on dark pages."""
