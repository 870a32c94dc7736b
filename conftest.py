"""Loads the plugins for tests and notebooks."""

pytest_plugins = [
    "tests.support.canary",
    "tests.support.fault_table",
    "tests.support.parts",
    "tests.support.lab_attempts",
    "tests.support.lesson_runs",
    "tests.support.nbval_comparison",
    "tests.support.run_folders",
    "tests.support.scene",
    "tests.support.steady_environment",
]

# Their packages are in the guestbook's image, where tests/lessons/test_guestbook.py runs them.
collect_ignore = ["notebooks/guestbook"]
# The copies of it with which lessons work.
collect_ignore_glob = ["*/work/*"]
