"""Laptops in a room without a network: images come from one file, or from one laptop's registry."""

import os
import subprocess
import sys

import pytest

from dockyard.core import paths
from dockyard.registry import server

PROGRAMS = "engine-root wheels"
"""What ``learn`` has brought to the laptop the day before, besides the images."""

BEGIN = """
bring() {
    for part in PROGRAMS; do
        mkdir -p "$DOCKYARD_HOME/$part"
        if [ -d "$own/$part" ]; then
            mount --bind "$own/$part" "$DOCKYARD_HOME/$part"
            mount -o remount,bind,ro "$DOCKYARD_HOME/$part"  # the tests' own home stays as it is
        fi
    done
}
dockyard() { "$python" -m dockyard "$@"; }
use() (
    # In a shell of its own, so that the next laptop knows nothing of it.
    eval "$(dockyard engine env)"
    docker run --rm busybox echo answered "$1"
    docker run --rm --entrypoint postgres postgres:17 --version
)
ip link set lo up
test -z "$(ip route)"

export DOCKYARD_HOME="$folder/first"
trap 'for home in first second; do DOCKYARD_HOME=$folder/$home dockyard engine stop; done' EXIT
bring
dockyard registry import "$folder/images.tar"
dockyard engine start --engine embedded
use first
"""

ANOTHER = """
export DOCKYARD_HUB="http://127.0.0.1:$(cat "$DOCKYARD_HOME/registry-port")"
export DOCKYARD_HOME="$folder/second" DOCKYARD_SOURCE=hub
bring
dockyard engine start --engine embedded
dockyard registry fill
dockyard registry list
use second
"""


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(
    ("script", "answers"),
    [
        pytest.param(BEGIN, ["first"], id="file"),
        pytest.param(
            BEGIN + ANOTHER, ["first", "second"], id="registry", marks=pytest.mark.classroom
        ),
    ],
)
def test_laptops_without_a_network_work_from_one_file_or_one_registry(tmp_path, script, answers):
    if not server.storage().is_dir():
        pytest.skip("needs the course registry:  python3 -m dockyard engine start")
    export = [sys.executable, "-m", "dockyard", "registry", "export", tmp_path / "images.tar"]
    subprocess.run(export, check=True, cwd=paths.CHECKOUT)
    given = {"own": paths.home(), "folder": tmp_path, "python": sys.executable}
    done = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-ec", script.replace("PROGRAMS", PROGRAMS)],
        env=os.environ | {name: str(value) for name, value in given.items()},
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert [line for line in said if line.startswith("answered")] == [
        f"answered {name}" for name in answers
    ]
    assert done.stdout.count("postgres (PostgreSQL) 17") == len(answers)
