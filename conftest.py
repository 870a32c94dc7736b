"""What holds for tests and notebooks alike."""

pytest_plugins = ["tests.support.canary", "tests.support.scene"]
