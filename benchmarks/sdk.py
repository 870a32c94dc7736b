"""``python3 -m benchmarks.sdk CHECKOUT``: the Docker SDK's own tests on two engines.

CHECKOUT is a clone of https://github.com/docker/docker-py at the version in requirements.txt.
Its ``tests/integration`` runs on the machine engine and on a native one of the same version
(Docker 26.1, which is also what the SDK's maintainers test with), and the lists of what passed
are compared. Ends with 1 when they differ. Needs root, for the native side.

What these tests want of Docker Hub is given by an image of BusyBox under the names they use, with
the accounts that they ask for. Many of them look for the daemon where it usually is: each run has
a mount namespace in which /var/run/docker.sock leads to its own.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path

import docker

from benchmarks.machine import tools
from dockyard.core import paths
from dockyard.engine.base import Engine
from dockyard.engine.docker_26 import NewerEngine
from dockyard.engine.vm import artifacts
from dockyard.engine.vm.machine import MachineEngine

STAND_INS = ("alpine:3.10", "alpine:latest", "busybox:latest", "busybox:buildroot-2014.02")

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:70::/var/lib/postgresql:/bin/sh\n",
    "etc/group": "root:x:0:\npostgres:x:70:\n",
    "var/opt/": "",
}
"""What the tests use of Alpine beside its programs."""

ROOM = """\
mkdir -p "$1" && mount --bind "$(dirname "$2")" "$1" && mount -t tmpfs room /run || exit 1
ln -s "$1/$(basename "$2")" /run/docker.sock
shift 2
exec "$@"
"""
"""Runs words in a room where the socket of the second one is the usual one.

The first is a folder by which the socket is reached, as it may lie in /run itself.
"""

SIDES: dict[str, type[Engine]] = {"machine": MachineEngine, "native": NewerEngine}


def stand_in() -> bytes:
    """The root of an image that these tests take for Alpine."""
    packed = io.BytesIO(tools())
    with tarfile.open(fileobj=packed, mode="a") as archive:
        for name, text in FILES.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o644
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def outcomes(report: Path) -> dict[str, str]:
    """Each test's name and whether it passed, failed, broke or was skipped (JUnit XML)."""
    found = {}
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').removeprefix('tests.integration.')}.{case.get('name')}"
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found[name] = kinds[0] if kinds else "passed"
    return found


def run(engine: Engine, checkout: Path, libraries: Path, report: Path, more: list[str]) -> None:
    """Start the engine, run the tests on it, stop it."""
    try:
        address = engine.start(print, install=True).address
        with closing(docker.DockerClient(base_url=address, timeout=300)) as client:
            for reference in STAND_INS:
                repository, tag = reference.split(":")
                client.api.import_image_from_data(stand_in(), repository=repository, tag=tag)
        socket = address.removeprefix("unix://")
        subprocess.run(
            [
                *("unshare", "--mount", "sh", "-ec", ROOM, "room", report.with_suffix(".room")),
                *(socket, sys.executable, "-m", "pytest", "tests/integration", "-q", "--tb=line"),
                *("-p", "no:cacheprovider", f"--junitxml={report}", *more),
            ],
            cwd=checkout,
            env={
                **os.environ,
                "DOCKER_HOST": address,
                # The tests on contexts write there.
                "HOME": str(report.parent / report.stem),
                "DOCKER_TEST_API_VERSION": "1.45",
                "PYTHONPATH": str(libraries),
            },
            check=False,
        )
    finally:
        engine.stop(print)


def main(arguments: list[str]) -> int:
    """Returns 0 when both sides pass the same tests, else 1."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.sdk", description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("more", nargs="*", help="options for pytest, after --")
    options = parser.parse_args(arguments)
    made = artifacts.folder()
    found = {}
    with tempfile.TemporaryDirectory(dir=paths.home()) as scratch:
        libraries = Path(scratch) / "libraries"
        # Two packages that only the SDK's tests use.
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--target",
                libraries,
                "paramiko",
                "pytest-timeout",
            ],
            check=True,
        )
        for name, kind in SIDES.items():
            home = Path(scratch) / name
            (home / "machine").mkdir(parents=True)
            for file in made.glob("*-*"):
                os.link(file, home / "machine" / file.name)
            os.environ["DOCKYARD_HOME"] = str(home)
            report = Path(scratch) / f"{name}.xml"
            run(kind(), options.checkout, libraries, report, ["--timeout=180", *options.more])
            found[name] = outcomes(report)
    return compare(found["machine"], found["native"])


def compare(machine: dict[str, str], native: dict[str, str]) -> int:
    """Print how the two differ; returns 0 when the same tests pass."""
    for name, results in (("machine", machine), ("native", native)):
        passed = sum(outcome == "passed" for outcome in results.values())
        print(f"{name}: {passed} of {len(results)} passed")
    different = [
        name
        for name in sorted(machine.keys() | native.keys())
        if (machine.get(name) == "passed") != (native.get(name) == "passed")
    ]
    for name in different:
        print(f"{name}: {machine.get(name)} on the machine, {native.get(name)} natively")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
