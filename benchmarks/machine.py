"""``python3 -m benchmarks.machine``: the machine engine compared with the same Docker as root.

Both daemons, their containers and the client run on the same CPU, so both sides have the same
quota and the same competing load. Needs root, for the native side. Prints the table of
docs/machine.md. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import functools
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from benchmarks.sides import Pair, in_turn
from dockyard.core import docker_client, paths
from dockyard.engine import client_programs, engine_root, system_packages
from dockyard.engine.base import Engine
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.engine.vm import artifacts, resources
from dockyard.engine.vm.machine import MachineEngine
from tests.support import packages

START_GOAL = 5.0
"""Seconds until the API answers, with everything made already."""

IDLE_GOAL = 0.02
"""Share of a CPU."""

LOOP = "i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done"
TIMED = f"read a rest < /proc/uptime; {LOOP}; read b rest < /proc/uptime; echo $a $b"

DOCKERFILE = """\
FROM tools:1
RUN echo one > /one
RUN echo two > /two
COPY Dockerfile /
"""


@dataclass
class Side:
    """One daemon, and how a command reaches it."""

    engine: Engine
    client: str
    address: str
    folder: Path
    config: Path

    def docker(self, *words: str) -> subprocess.CompletedProcess:
        """Run the client. Raises CalledProcessError when the command fails."""
        return subprocess.run(
            [self.client, "-H", self.address, *words],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "DOCKER_CONFIG": str(self.config), "DOCKER_BUILDKIT": "1"},
        )

    def seconds(self, *words: str) -> Callable[[], float]:
        """A function that runs one command of the client and returns its duration."""

        def measure() -> float:
            began = time.perf_counter()
            self.docker(*words)
            return time.perf_counter() - began

        return measure

    def loop(self) -> float:
        """The duration of a shell loop in seconds, by the container's own clock."""
        before, after = self.docker("exec", "rests", "sh", "-c", TIMED).stdout.split()
        return float(after) - float(before)


@contextmanager
def started(make: Callable[[], Engine], home: Path, folder: Path) -> Iterator[Side]:
    """A daemon in a separate home, with an image tools:1 and a container ``rests`` that sleeps."""
    before = os.environ.get("DOCKYARD_HOME")
    programs = engine_root.fetch(print).parent
    home.mkdir(exist_ok=True)
    (home / programs.name).symlink_to(programs)
    os.environ["DOCKYARD_HOME"] = str(home)
    engine = make()
    try:
        address = engine.start(print).address
        client_programs.ensure(print, engine.client_root(print))
        docker_client.write_config()
        client = docker_client.find()
        assert client is not None  # by ensure
        side = Side(engine, client, address, folder, paths.docker_config())
        with closing(docker.DockerClient(base_url=address, timeout=300)) as daemon:
            daemon.api.import_image_from_data(tools(), repository="tools", tag="1")
        side.docker("run", "--detach", "--name", "rests", "tools:1", "sleep", "100000")
        yield side
        side.docker("rm", "--force", "rests")
    finally:
        engine.stop(print)
        os.environ.pop("DOCKYARD_HOME")
        if before is not None:
            os.environ["DOCKYARD_HOME"] = before


@functools.cache
def tools() -> bytes:
    """The root file system of an image: BusyBox from the distribution's package."""
    packages.install(system_packages.missing({"busybox": "busybox-static"}))
    busybox = system_packages.which("busybox")
    assert busybox is not None  # installed above
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(busybox, "bin/busybox")
        for name in subprocess.check_output([busybox, "--list"], text=True).split():
            if name != "busybox":
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
    return packed.getvalue()


def pairs(machine: Side, native: Side, repeat: int) -> Iterator[Pair]:
    """Each measurement with its goal."""
    for name, goal, words in (
        ("`docker run --rm busybox true`", 2.5, ("run", "--rm", "tools:1", "true")),
        ("`docker exec`", 2.0, ("exec", "rests", "true")),
        ("`docker ps`", 2.0, ("ps",)),
        (
            "`docker build`, BuildKit, two RUN and a COPY",
            4.0,
            ("build", "--no-cache", "--quiet", str(machine.folder)),
        ),
    ):
        yield in_turn(name, machine.seconds(*words), native.seconds(*words), repeat, goal)
    yield in_turn("a shell's loop in a container", machine.loop, native.loop, repeat, 1.1)


def answering(side: Side) -> float:
    """Seconds that a second start takes until the API answers."""
    side.engine.stop(print)
    began = time.perf_counter()
    side.engine.start(print)
    taken = time.perf_counter() - began
    side.docker("start", "rests")
    return taken


def idle(seconds: float = 20.0) -> float:
    """The share of a CPU that the idle machine of this home uses."""
    root = MachineEngine().service.process()
    assert root is not None  # started by main
    family = [root, *root.children(recursive=True)]
    before = sum(sum(process.cpu_times()[:2]) for process in family)
    time.sleep(seconds)
    after = sum(sum(process.cpu_times()[:2]) for process in family if process.is_running())
    return (after - before) / seconds


def native_engine() -> Engine:
    """The same dockerd, started as root on this host."""
    return EmbeddedEngine(containerd_store=True)


def main(arguments: list[str]) -> int:
    """Returns 0 when every goal is met, else 1."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.machine", description=__doc__)
    parser.add_argument("--repeat", type=int, default=10, help="pairs of each measurement")
    options = parser.parse_args(arguments)
    made = artifacts.folder()
    os.sched_setaffinity(0, {resources.least_busy_cpu()})
    with tempfile.TemporaryDirectory(dir=paths.home()) as scratch:
        folder = Path(scratch) / "build"
        folder.mkdir()
        (folder / "Dockerfile").write_text(DOCKERFILE)
        home = Path(scratch) / "machine"
        (home / "machine").mkdir(parents=True)
        for file in made.glob("*-*"):
            os.link(file, home / "machine" / file.name)
        with (
            started(native_engine, Path(scratch) / "native", folder) as native,
            started(MachineEngine, home, folder) as machine,
        ):
            print("\n| | machine | native | ratio | goal |\n|---|---|---|---|---|")
            met = []
            for pair in pairs(machine, native, options.repeat):
                met.append(pair.met)
                print(pair.row(), flush=True)
            share = idle()
            print(f"| idle | {share:.1%} of a CPU | | | {IDLE_GOAL:.0%} |")
            seconds = answering(machine)
            print(f"| start until the API answers | {seconds:.1f} s | | | {START_GOAL:g} s |")
            met += [share <= IDLE_GOAL, seconds <= START_GOAL]
    print(f"\nmean load meanwhile: {os.getloadavg()[1]:.1f} on {os.cpu_count()} CPUs")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
