"""Dockyard for a room of students: one server with JupyterHub (docs/classroom.md).

Not part of the learner's package: it needs JupyterHub, which a learner's computer does not have.
"""
