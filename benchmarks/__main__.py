"""``python -m benchmarks [PART …]``: what the course costs, on the engine that runs.

The parts are door, cell, engine and learn. Prints a table; all parts together replace RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from contextlib import closing
from pathlib import Path

from benchmarks import cell, door, engine, learn
from dockyard import course
from dockyard.core import docker_client

PARTS = {
    "door": door.measure,
    "cell": cell.measure,
    "engine": engine.measure,
    "learn": learn.measure,
}
RESULTS = Path(__file__).with_name("RESULTS.md")

HEAD = """\
# What the course costs

Each line compares the same thing with the course and without it, run in turn. The ratio is that of
the medians; in brackets is the range of the middle half of the pairs. To measure again:
`.venv/bin/python -m benchmarks`.

The course adds processes, and on a computer with more work than processors each of them waits for
its turn, so compare with the goals on an idle computer. Two costs remain there: a cell exchanges
messages with its kernel (the line with `pass`), which shows beside a command as short as
`docker ps`; and `learn` sets up the engine while JupyterLab starts.

A dockerd calls iptables about 140 times when it starts. That of the embedded engine calls it
through a shell script that gives chains names of their own (dockyard/engine/netfilter.py), which
takes 0.8 ms more each time.

"""
COLUMNS = """\
| with the course / without | with | without | ratio | goal |
|---|---|---|---|---|
"""


def main(arguments: list[str]) -> int:
    """Returns 0 when every goal that was measured is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    if not course.answers():
        parser.error("no engine runs; start it:  python3 -m dockyard engine start")
    print(COLUMNS, end="")
    pairs = []
    for name in options.parts or PARTS:
        for pair in PARTS[name]():
            pairs.append(pair)
            print(pair.row(), flush=True)
    if not options.parts:
        rows = "".join(f"{pair.row()}\n" for pair in pairs)
        RESULTS.write_text(f"{HEAD}{COLUMNS}{rows}\nMeasured on {_computer()}.\n")
    return 0 if all(pair.met for pair in pairs) else 1


def _computer() -> str:
    with closing(docker_client.connect()) as daemon:
        version = daemon.version()["Version"]
    load = statistics.mean(os.getloadavg())
    return f"{os.cpu_count()} CPUs with Docker {version} at a mean load of {load:.1f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
