"""The checks of the labs, a module each, a function a task."""
