"""Dockyard: an interactive course on Docker whose cells drive a real daemon."""

__version__ = "0.1.0"
