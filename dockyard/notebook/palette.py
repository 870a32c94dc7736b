"""The colours of plots, tables and views that do not depend on the theme."""

from __future__ import annotations

COLOURS = ("#2a78c8", "#d0661a", "#2f8f5b", "#9a5bb5", "#8a7a2a")
"""Distinguishable with any colour vision, readable on white and on black."""

INK = "#808080"
"""For lines, on light and on dark pages."""

PLOT_PAPER = "#ffffff"
"""The background of plots, on light and on dark pages."""

PLOT_INK = "#24292f"
"""For text and axes on that background."""
