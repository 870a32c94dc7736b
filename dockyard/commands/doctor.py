"""``doctor``: shows what each engine needs on this computer, and what makes commands fail."""

from __future__ import annotations

import argparse
import json

from dockyard.core.console import show
from dockyard.doctor import report


def run(options: argparse.Namespace) -> int:
    """Print the report; return 0 when an engine can work here, else 1."""
    found = report.examine()
    if options.json:
        print(json.dumps(found.as_json(), indent=1))
    else:
        show(report.render(found))
    return 0 if found.chosen else 1
