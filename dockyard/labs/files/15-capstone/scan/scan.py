"""Compares the Python packages around it with the advisories beside it, without a network.

Prints what it finds. The exit code is 1 if that is anything.
"""

import importlib.metadata
import re
import sys
from pathlib import Path

NEVER = "never"


def number(version):
    """A version as numbers, which can be compared."""
    return [int(part) for part in re.findall(r"\d+", version)]


lines = Path(__file__).with_name("advisories.txt").read_text().splitlines()
advisories = [line.split(maxsplit=4) for line in lines if line and not line.startswith("#")]
packages = {each.name.lower(): each.version for each in importlib.metadata.distributions()}
findings = 0
for package, safe, id, severity, what in advisories:
    version = packages.get(package)
    if version and (safe == NEVER or number(version) < number(safe)):
        remedy = "remove it" if safe == NEVER else f"safe since {safe}"
        print(f"{id} ({severity}): {package} {version}, {remedy}: {what}")
        findings += 1
print(f"{len(packages)} packages, {len(advisories)} advisories, {findings} findings")
sys.exit(1 if findings else 0)
