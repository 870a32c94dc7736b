"""What holds for tests and notebooks alike."""

pytest_plugins = ["tests.canary", "tests.scene"]
