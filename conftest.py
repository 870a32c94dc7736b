"""Loads the plugins for tests and notebooks."""

pytest_plugins = ["tests.support.canary", "tests.support.scene", "tests.support.lab_attempts"]
