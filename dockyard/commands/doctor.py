"""``doctor``: what each engine would need on this computer, and what will make commands fail."""

from __future__ import annotations

import argparse
import json

from dockyard.doctor import report


def run(options: argparse.Namespace) -> int:
    """Print the report; returns 0 when an engine can work here, else 1."""
    found = report.examine()
    print(json.dumps(found.as_json(), indent=1) if options.json else report.render(found))
    return 0 if found.chosen else 1
