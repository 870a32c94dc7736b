"""/tmp that is full or runs no programs: all works, or one line says what to do.

The course is started in a mount namespace whose /tmp is a small one of its own.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dockyard.core import full_disk, paths
from dockyard.engine import netfilter
from dockyard.exceptions import DiskFull
from tests.support import homes
from tests.support.restricted_host import needs_root

pytestmark = [pytest.mark.engine, pytest.mark.slow, needs_root]

OUTSIDE = Path("/var/tmp")
"""For homes, which must not be in /tmp here."""

BEGIN = """
import os, shutil, subprocess, sys
from pathlib import Path
from dockyard import course
from tests.support.command_line import run, docker
from tests.support.kernels import Kernel

def fill():
    with open("/tmp/filler", "wb", buffering=0) as filler:
        for size in (65536, 1):
            try:
                while True:
                    filler.write(b"x" * size)
            except OSError:
                pass

def start():
    done = run("engine", "start", "--engine", "embedded")
    assert "Traceback" not in done.stderr, done.stderr
    return done

try:
"""
END = """
finally:
    Path("/tmp/filler").unlink(missing_ok=True)
    run("engine", "stop")
    assert not list(Path("/tmp").glob("dockyard-*/exec"))
print("end")
"""


@pytest.fixture(scope="module")
def home():
    """A home with all images, on a disk that is not /tmp."""
    if any(each.is_relative_to("/tmp") for each in (paths.CHECKOUT, paths.home())):
        pytest.skip("the course itself is in /tmp")
    with tempfile.TemporaryDirectory(prefix="dockyard-", dir=OUTSIDE) as folder:
        homes.fill(Path(folder))
        yield Path(folder)


def in_a_tmp(home, options, code):
    """What Python code prints in a namespace whose /tmp is mounted with these options."""
    indented = "".join(f"    {line}\n" for line in code.strip().splitlines())
    environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    done = subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-ec",
         f'mount -t tmpfs -o {options} none /tmp; exec "$@"', "-",
         sys.executable, "-c", BEGIN + indented + END],
        env=environment | {"DOCKYARD_HOME": str(home)}, cwd=paths.CHECKOUT,
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.stdout.endswith("end\n"), done.stdout + done.stderr
    return done.stdout


def chains(saved):
    """The names of the chains in the output of iptables-save."""
    return {line.split()[0] for line in saved.splitlines() if line.startswith(":")}


def test_an_engine_starts_and_works_where_tmp_runs_no_programs(home):
    before = chains(netfilter.run("iptables-save"))
    said = in_a_tmp(home, "noexec", """
assert start().returncode == 0
assert docker("run", "--rm", "--publish", "127.0.0.1::80", "busybox", "echo", "hi") == "hi\\n"
docker("build", "-", stdin=b"FROM busybox\\nRUN true\\n")
print(subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout)
with Kernel(None) as kernel:
    for cell in ("%lesson 00-start-here", "%%bash\\ncat <<END\\nhere\\nEND", "!docker ps"):
        shown = kernel.run(cell)
        assert not shown.error and "[exit code" not in shown.text, shown
""")  # fmt: skip
    # Chains with Docker's own names would be those of another Docker of this computer.
    new = chains(said) - before
    assert new
    assert all(name.startswith(":dy") for name in new), new


def test_an_engine_that_finds_no_room_in_tmp_says_so_and_starts_when_there_is(home):
    in_a_tmp(home, "size=2m", """
fill()
done = start()
assert done.returncode == 1
lines = [line for line in done.stderr.splitlines() if not line.startswith("[")]
assert lines[0] == "The disk of /tmp is full.", done.stderr
assert lines[-1].endswith("What is large:  du -ahxd1 /tmp"), done.stderr
assert "filler" in subprocess.run(["du", "-ahxd1", "/tmp"], capture_output=True, text=True).stdout
assert course.status()["running"] is False
with Kernel(os.environ["DOCKYARD_HOME"], interactive=True) as kernel:
    shown = kernel.run("%lesson 00-start-here")
    assert "The disk of /tmp is full" in shown.error, shown
os.remove("/tmp/filler")
assert start().returncode == 0
assert docker("run", "--rm", "busybox", "echo", "hi") == "hi\\n"
""")  # fmt: skip


def test_a_tmp_that_becomes_full_is_named_in_the_cell_and_nothing_has_to_be_mended(home):
    in_a_tmp(home, "size=8m", """
assert start().returncode == 0
docker("pull", "busybox")
with Kernel(os.environ["DOCKYARD_HOME"]) as kernel:
    assert not kernel.run("%lesson 00-start-here").error
    fill()
    shown = kernel.run("!docker run --rm busybox echo hi")
    assert "→ The disk of /tmp is full. What is large:  !du -ahxd1 /tmp" in shown.text, shown
    for cell in ("%%bash\\ncat <<END\\nhere\\nEND", "!docker ps", "%lesson 00-start-here"):
        shown = kernel.run(cell)
        assert not shown.error and "[exit code" not in shown.text, shown
    folder = Path(os.environ["DOCKYARD_HOME"], "built")
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM busybox\\nRUN true\\n")
    shown = kernel.run(f"!docker build --quiet {folder}")
    assert "[exit code" not in shown.text, shown
    # The client writes what it reads from standard input to /tmp.
    shown = kernel.run(f"!docker build --quiet - < {folder}/Dockerfile")
    assert "→ The disk of /tmp is full." in shown.text, shown
    os.remove("/tmp/filler")
    assert kernel.run("!docker run --rm busybox echo hi").text == "hi\\n"
""")  # fmt: skip


def test_a_tmp_without_room_for_one_more_folder_is_named_in_one_line(home):
    in_a_tmp(home, "nr_inodes=1", """
done = start()
assert done.returncode == 1
lines = [line for line in done.stderr.splitlines() if not line.startswith("[")]
assert lines[0] == "The disk of /tmp is full.", done.stderr
sys.stdout.write("end\\n")
os._exit(0)
""")  # fmt: skip


def test_a_full_disk_of_a_container_is_not_taken_for_the_computers():
    """The hint in a cell asks for the computer's disks, too."""
    assert full_disk.find() is None
    error = full_disk.explain(OSError(28, "No space left on device", "/dev/full"))
    assert isinstance(error, DiskFull)
    assert "/dev/full" in error.what
    assert full_disk.explain(OSError(13, "Permission denied")) is None
