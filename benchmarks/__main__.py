"""``python -m benchmarks [PART …]``: measure, print, and write benchmarks/RESULTS.md.

The parts are door, cell, learn and course (the last takes twice as long as the course). A part
that is not named keeps its lines in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from contextlib import closing
from pathlib import Path

from benchmarks import cell, course, door, learn
from benchmarks.sides import Pair
from dockyard import course as engine
from dockyard.core import docker_client

PARTS = {"door": door, "cell": cell, "learn": learn, "course": course}
HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
KEPT = HERE / "results.json"

HEAD = """\
# What the course costs

Each line is the same thing done with the course and without it, in turn, in one run; the ratio
is that of the medians (of the sums, for the course as a whole), and in brackets where the middle
half of the pairs lies. Renew: `.venv/bin/python -m benchmarks`.

A computer that has more to do than it has processors for (the load is given below) makes every
process wait for its turn. What the course adds are processes, so a goal is judged on a computer
that is otherwise idle. Two things stay whatever the load: a cell exchanges messages with its
kernel (the line with `pass`), which a command as short as `docker ps` cannot hide; and `learn`
starts a registry and the front door besides what is started bare, one after the other.

| with the course / without | with | without | ratio | goal |
|---|---|---|---|---|
"""


def main(arguments: list[str]) -> int:
    """Returns 0 when every goal that was measured is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--lesson", action="append", default=[], type=Path, help="for course")
    parser.add_argument("--print", action="store_true", help="leave the file as it is")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    if not engine.answers():
        parser.error("no engine runs; start it:  python3 -m dockyard engine start")
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    met = True
    for name in options.parts or PARTS:
        pairs = []
        chosen = [[path.resolve() for path in options.lesson]] if name == "course" else []
        for pair in PARTS[name].measure(*chosen):
            pairs.append(_line(pair))
            met = met and pair.met
            print(pairs[-1], flush=True)
        kept[name] = {"lines": pairs, "where": _where()}
    if not options.print:
        KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        RESULTS.write_text(_page(kept))
    return 0 if met else 1


def _line(pair: Pair) -> str:
    low, high = pair.spread
    goal = f"{pair.goal:g} ×" if pair.goal else ""
    return (
        f"| {pair.name} | {_seconds(pair.whole(pair.course))} | {_seconds(pair.whole(pair.bare))} "
        f"| {pair.ratio:.2f} × ({low:.2f} to {high:.2f}, {len(pair.bare)} pairs) | {goal} |"
    )


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _where() -> str:
    with closing(docker_client.connect()) as daemon:
        version = daemon.version()["Version"]
    load = statistics.mean(os.getloadavg())
    return f"{os.cpu_count()} CPUs, Docker {version}, mean load {load:.1f}"


def _page(kept: dict) -> str:
    shown = [name for name in PARTS if name in kept]
    lines = "\n".join(line for name in shown for line in kept[name]["lines"])
    where = "\n".join(f"- {name}: {kept[name]['where']}" for name in shown)
    return f"{HEAD}{lines}\n\nMeasured on:\n\n{where}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
