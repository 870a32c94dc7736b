"""What goes wrong with the machine ends with a clear message and one command that recovers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import docker
import pytest
from docker.errors import APIError

from dockyard.core import wait
from dockyard.engine.vm import artifacts, selection
from dockyard.engine.vm.machine import MachineEngine
from dockyard.exceptions import DiskFull, UsageError
from tests.support import machines

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.machine]
own_home, shared = machines.own_home, machines.shared
engine, daemon = machines.engine, machines.daemon

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk: sudo -E …")

WITHOUT_SECCOMP = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
rules = [(0x20, 0, 0, 0),        # the number of the system call
         (0x15, 3, 0, 317),      # seccomp: to the refusal
         (0x15, 0, 3, 157),      # prctl: look at its first argument; else: allow
         (0x20, 0, 0, 16),
         (0x15, 0, 1, 22),       # PR_SET_SECCOMP: to the refusal
         (0x06, 0, 0, 0x00050001),  # EPERM
         (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
program = Program(len(rules), ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Becomes another program that may install no filter: what a strict host does (seccomp(2))."""


def _python(code: str, *before: str, **more: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}
    return subprocess.run(
        [*before, sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


VERDICTS = "from dockyard.engine.vm import selection\nfor each in selection.trials(): print(each)"
START = """
from dockyard.engine.vm.machine import MachineEngine
from dockyard.exceptions import DockyardError
try:
    MachineEngine().start(print)
except DockyardError as error:
    print(error)
"""


def test_where_filters_are_forbidden_another_way_is_named(own_home, monkeypatch):
    monkeypatch.delenv(selection.VARIABLE, raising=False)
    artifacts.prepare(print)
    said = _python(VERDICTS, sys.executable, "-c", WITHOUT_SECCOMP).stdout
    assert (
        "uml: its kernel ended when tried: SECCOMP userspace requested but not functional" in said
    )


def test_where_nothing_is_usable_each_reason_is_told_and_a_command(own_home):
    artifacts.prepare(print)
    said = _python(
        START, sys.executable, "-c", WITHOUT_SECCOMP, **{selection.VARIABLE: "uml"}
    ).stdout
    assert "cannot run here: a way to run it is missing" in said
    assert "not functional" in said
    assert "apt-get install --no-install-recommends qemu-system-x86" in said


def test_an_unknown_way_is_refused_with_the_known_ones(own_home, monkeypatch):
    monkeypatch.setenv(selection.VARIABLE, "fast")
    with pytest.raises(UsageError) as refused:
        MachineEngine().start(print)
    assert "kvm, uml, tcg" in str(refused.value)


def test_the_running_machine_says_which_way_it_runs(engine, daemon):
    assert any(engine.remark().startswith(backend.title) for backend in selection.BACKENDS)


def test_a_truncated_program_is_made_anew_by_the_next_start(engine):
    engine.stop(print)
    for name in ("network", "guest"):
        cut = artifacts.place(name)
        content = cut.read_bytes()
        cut.unlink()  # a hard link: the course's own must not be cut
        cut.write_bytes(content[:1000])
    assert engine.start(print) is not None


def test_what_an_earlier_edition_of_the_course_made_is_removed(own_home):
    earlier = [artifacts.folder() / f"0123456789ab-root.ext4{each}" for each in ("", ".size")]
    other_kernel = artifacts.folder() / "0123456789ab-vmlinux"
    for file in (*earlier, other_kernel):
        file.write_bytes(b"")
    made = artifacts.prepare(print)
    assert not any(file.exists() for file in earlier)
    assert other_kernel.exists(), "it is of the other kernel, which was not asked for"
    other_kernel.unlink()
    assert all(map(artifacts.complete, vars(made).values()))


def test_a_command_under_way_ends_when_the_kernel_is_killed(engine, daemon):
    command = ["docker", "-H", f"unix://{engine.socket}", "run", "--rm", "tools:1", "sleep", "600"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait.until("the container", daemon.containers.list, 60)
    engine.service.process().children()[0].kill()
    _, said = running.communicate(timeout=30)
    assert running.returncode != 0
    assert said.strip()
    again = MachineEngine()
    again.start(print)
    client = docker.DockerClient(base_url=f"unix://{again.socket}", timeout=120)
    assert client.containers.run("tools:1", "echo again", remove=True) == b"again\n"
    client.close()


@pytest.fixture
def small_home(own_home, tmp_path):
    """A home on a disk of 1.3 GB, with the artefacts of the other."""
    made = artifacts.folder()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1300M", "small", small], check=True)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKYARD_HOME", str(small))
            artifacts.folder().mkdir()
            for file in made.glob("*-*"):
                (artifacts.folder() / file.name).symlink_to(file)
            yield small
            MachineEngine().stop(print)
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


FILL = ["sh", "-ec", "dd if=/dev/zero of=/fill bs=1M count=4000; sync"]


@as_root
def test_a_full_disk_inside_is_said_and_ends_with_the_container(small_home, tmp_path):
    engine = MachineEngine()
    client = docker.DockerClient(base_url=engine.start(print).address, timeout=300)
    client.api.import_image_from_data(machines.tools(tmp_path), repository="tools", tag="1")
    # By the client: the daemon's own log of the output has no room left either.
    command = ["docker", "-H", f"unix://{engine.socket}", "run", "--name", "full", "tools:1"]
    said = subprocess.run([*command, *FILL], capture_output=True, text=True, check=False)
    assert said.returncode != 0
    assert "No space left on device" in said.stderr
    client.containers.get("full").remove()
    assert client.containers.run("tools:1", "echo room", remove=True) == b"room\n"
    client.close()
    assert shutil.disk_usage(small_home).free > 10**8


@as_root
def test_a_full_disk_outside_is_said_and_a_restart_recovers(small_home, tmp_path):
    engine = MachineEngine()
    client = docker.DockerClient(base_url=engine.start(print).address, timeout=300)
    client.api.import_image_from_data(machines.tools(tmp_path), repository="tools", tag="1")
    ballast = small_home / "ballast"
    with ballast.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"\0" * 10**6)
    said = r"no space left on device|read-only file system|input/output error"
    with pytest.raises(APIError, match=said):
        for _ in range(20):
            client.containers.run("tools:1", FILL, remove=True, stderr=True)
    client.close()
    engine.stop(print)
    with pytest.raises(DiskFull, match="too little free disk space"):
        engine.start(print)
    ballast.unlink()
    client = docker.DockerClient(base_url=engine.start(print).address, timeout=300)
    # What was made last may be gone, but is never there without its content.
    if not client.images.list("tools:1"):
        client.api.import_image_from_data(machines.tools(tmp_path), repository="tools", tag="1")
    assert client.containers.run("tools:1", "echo room", remove=True) == b"room\n"
    client.close()
