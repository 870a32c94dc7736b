"""A store that the homes of a computer share, read-only and without any network."""

import os
import subprocess
import sys

import pytest

from dockyard.core import paths
from dockyard.registry import server

BEGIN = """
mount --bind "$DOCKYARD_STORE" "$DOCKYARD_STORE"
mount -o remount,bind,ro "$DOCKYARD_STORE"
ip link set lo up
trap '"$0" -m dockyard engine stop' EXIT
"$0" -m dockyard engine start --engine embedded
eval "$("$0" -m dockyard engine env)"
docker run --rm busybox echo answered
du --summarize --block-size=1M --exclude=logs "$DOCKYARD_HOME"
touch "$DOCKYARD_STORE/mine" || echo the store cannot be written
"""


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_empty_home_begins_with_what_a_shared_store_has(tmp_path):
    """Nothing is downloaded or made: there is no network, and the store is mounted read-only."""
    store = paths.store()
    if not server.storage().is_dir():
        pytest.skip("needs the course registry:  python3 -m dockyard engine start")
    home = tmp_path / "home"
    done = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-ec", BEGIN, sys.executable],
        env=os.environ | {"DOCKYARD_STORE": str(store), "DOCKYARD_HOME": str(home)},
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answered" in done.stdout
    assert "the store cannot be written" in done.stdout
    size = next(line for line in done.stdout.splitlines() if line.endswith(str(home)))
    assert int(size.split()[0]) <= 30, "megabytes"
    assert not {each.name for each in home.iterdir()} & {"engine-root", "registry", "wheels"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_is_missing_in_anothers_store_is_said_with_the_command_for_its_keeper(tmp_path):
    # A program of its own that becomes another user: that one may not read this computer's Python.
    program = (
        "import os, sys; from dockyard.core import shared_store as s; os.setuid(int(sys.argv[1]));"
        "s.require_writable('An image')"
    )

    def need(user):
        return subprocess.run(
            [sys.executable, "-c", program, user],
            env=os.environ | {"DOCKYARD_STORE": "/usr", "DOCKYARD_HOME": str(tmp_path)},
            cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert need("0").returncode == 0
    refused = need("65534")
    assert "An image is missing in the shared store /usr." in refused.stderr
    assert "DOCKYARD_STORE=/usr python3 -m dockyard registry fill" in refused.stderr
