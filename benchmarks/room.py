"""``python3 -m benchmarks.room``: what a server needs for the students of a classroom.

Opens a hub with rooms as `classroom/` makes them, lets students log in at once, and measures each
room. With ``--noise`` one student then takes all that a room can get, while another runs
containers; with ``--lessons`` all work through the first lessons and labs at once. Needs root, and
the course registry. Prints rows for the tables of docs/classroom.md.
"""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil

from dockyard.core import paths
from dockyard.engine.vm import artifacts
from dockyard.registry import server
from tests.classroom.hub import FIRST_PAGES, Student, open_hub

MiB = 2**20
RUN = "docker run --rm busybox true"
IDLE = 60
"""Seconds over which the CPU time of idle students is measured."""

COUNTED = ("Pss_Anon", "Pss_File", "SwapPss")
"""The lines of smaps_rollup that make up the memory of a process."""

PAUSE = 420
"""Seconds after the lessons: five idle minutes, and what ends before them."""

NOISY = 60
"""Seconds for which a noisy student is noisy."""

FORKS = """exec python3 -c '
import os, time
while True:
    try:
        if not os.fork():
            time.sleep(3600)
    except OSError:
        pass
'"""
ALLOCATES = """while :; do python3 -c '
taken = []
while True:
    taken.append(b"1" * 50_000_000)
'; done"""
WRITES = "while :; do dd if=/dev/zero of=$HOME/large bs=1M count=4000 conv=fsync; done"
NOISES = {
    "computes in 50 processes": "for i in $(seq 50); do while :; do :; done & done; wait",
    "takes memory until it is killed, again and again": ALLOCATES,
    "starts processes until no more can be": FORKS,
    "writes 4 GB, again and again": WRITES,
}
"""Shell commands without end."""

LOGGED_IN = (
    "| students | engine | log-in to first answer (median, slowest) | MiB a student | idle CPU a "
    "student | `docker run`: one alone | all at once |\n|---|---|---|---|---|---|---|"
)
WORKED = (
    "| students | engine | took | most MiB a student | after seven idle minutes |\n"
    "|---|---|---|---|---|"
)
NOISY_OR_NOT = (
    "| one student … | another's `docker run` before | meanwhile | ratio |\n|---|---|---|---|"
)


def memory(student: Student) -> float:
    """The MiB of a room: its processes, each shared page counted in parts, and its files in memory.

    A machine's memory is such a file. What the server has moved to its swap space counts, too.
    """
    total = 0
    seen = None
    for process in student.processes():
        with suppress(OSError, psutil.Error):
            seen = process.pid
            with open(f"/proc/{process.pid}/smaps_rollup") as rollup:
                lines = dict(line.split(":") for line in rollup if "Pss" in line)
            total += sum(int(lines[name].split()[0]) for name in COUNTED) * 1024
    for folder in ("tmp", "dev/shm"):
        facts = os.statvfs(f"/proc/{seen}/root/{folder}")
        total += (facts.f_blocks - facts.f_bfree) * facts.f_frsize
    return total / MiB


def cpu_time(student: Student) -> float:
    """The seconds of CPU time that a room's running processes have used."""
    total = 0.0
    for process in student.processes():
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def measure(number: int, engine: str, *, lessons: bool, noise: bool) -> None:
    """Print the rows for so many students."""
    with open_hub(engine) as hub, ThreadPoolExecutor(number) as pool:
        students = [Student(hub, f"s{place}") for place in range(1, number + 1)]
        for student in students:
            student.sign_up()
        first_answer = _all(pool, students, _log_in)
        used = statistics.mean(map(memory, students))
        idle = _idle(students)
        alone = [_seconds(_run_one, students[0]) for _ in range(3)]
        together = max(_all(pool, students, _run_one))
        print(
            f"| {number} | {engine} | {statistics.median(first_answer):.0f} s, "
            f"{max(first_answer):.0f} s | {used:.0f} | {idle:.2%} | "
            f"{statistics.median(alone):.2f} s | {together:.2f} s |",
            flush=True,
        )
        if noise and number > 1:
            _noises(students[0], students[1])
        if lessons:
            _work(pool, students)


def _noises(noisy: Student, other: Student) -> None:
    print(NOISY_OR_NOT)
    for name, command in NOISES.items():
        quiet = [_seconds(_run_one, other) for _ in range(5)]
        # timeout ends all that the command has started.
        ended = f"timeout {NOISY} bash -c {shlex.quote(command)}; rm -f ~/large"
        noisy.shell(f"({ended}) > /dev/null 2>&1 &")
        end = time.monotonic() + NOISY
        time.sleep(5)
        loud = []
        while time.monotonic() < end:
            loud.append(_seconds(_run_one, other))
        before, during = statistics.median(quiet), statistics.median(loud)
        print(f"| {name} | {before:.2f} s | {during:.2f} s | {during / before:.1f} × |", flush=True)
        time.sleep(10)


def _work(pool: ThreadPoolExecutor, students: Sequence[Student]) -> None:
    began = time.monotonic()
    most = 0.0
    for page in FIRST_PAGES[students[0].hub.engine]:
        took = _all(pool, students, functools.partial(_done, page=page))
        most = max(most, statistics.mean(map(memory, students)))
        print(f"{page}: {max(took):.0f} s", file=sys.stderr, flush=True)
    minutes = (time.monotonic() - began) / 60
    time.sleep(PAUSE)
    after = statistics.mean(map(memory, students))
    who = f"{len(students)} | {students[0].hub.engine}"
    print(WORKED)
    print(f"| {who} | {minutes:.0f} min | {most:.0f} | {after:.0f} |", flush=True)


def _log_in(student: Student) -> None:
    student.open_server()
    student.wait_for_answer()


def _done(student: Student, page: str) -> None:
    found, of = student.work_through(page)
    if found < of:
        print(f"{student.name}, {page}: {found} of {of}", file=sys.stderr)


def _run_one(student: Student) -> None:
    said = student.shell(f"{RUN} && echo ran")
    assert "ran" in said, said


def _seconds(do: Callable[[Student], object], student: Student) -> float:
    began = time.monotonic()
    do(student)
    return time.monotonic() - began


def _all(
    pool: ThreadPoolExecutor, students: Sequence[Student], do: Callable[[Student], object]
) -> list[float]:
    """The seconds that each student took while all did it at once."""
    return list(pool.map(functools.partial(_seconds, do), students))


def _idle(students: Sequence[Student]) -> float:
    """The share of one CPU that a student who does nothing uses."""
    before = sum(map(cpu_time, students))
    time.sleep(IDLE)
    return (sum(map(cpu_time, students)) - before) / IDLE / len(students)


def main(arguments: list[str]) -> int:
    """Measure for each number of students; returns 0."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.room", description=__doc__)
    parser.add_argument("students", nargs="*", type=int, default=[1, 5, 10, 20])
    parser.add_argument("--engine", choices=("machine", "embedded"), default="machine")
    parser.add_argument("--lessons", action="store_true", help="work through lessons, too")
    parser.add_argument("--noise", action="store_true", help="one student is noisy; at least two")
    options = parser.parse_args(arguments)
    if os.geteuid() or not server.storage().is_dir():
        parser.error("needs root, and the course registry:  python3 -m dockyard engine start")
    if options.engine == "machine":
        artifacts.prepare(print)
    print(f"{paths.store()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(LOGGED_IN)
    for number in options.students:
        measure(number, options.engine, lessons=options.lessons, noise=options.noise)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
