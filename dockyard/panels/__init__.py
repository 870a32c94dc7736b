"""Panels in a notebook, and a screen in a terminal, that tick by themselves while learners work."""
