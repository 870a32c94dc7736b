"""The checks of the lessons' tasks, a module each, a function a task."""
