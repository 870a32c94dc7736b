"""JupyterLab as a learner meets it: the course's own settings, side bar and terminals."""
