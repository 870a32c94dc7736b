"""Which backend runs the machine, and what is said when none can."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dockyard.engine.vm import artifacts, selection
from dockyard.exceptions import UsageError
from tests.support import machines

own_home, shared = machines.own_home, machines.shared
engine, daemon = machines.engine, machines.daemon

WITHOUT_SECCOMP = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
rules = [(0x20, 0, 0, 0),        # the number of the system call
         (0x15, 3, 0, 317),      # seccomp: refuse
         (0x15, 0, 3, 157),      # prctl: look at its first argument; else: allow
         (0x20, 0, 0, 16),
         (0x15, 0, 1, 22),       # PR_SET_SECCOMP: refuse
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
"""Becomes another program that may install no filter, as on a strict host (seccomp(2))."""

TRIALS = "from dockyard.engine.vm import selection\nfor each in selection.trials(): print(each)"
START = """
from dockyard.engine.vm.machine import MachineEngine
from dockyard.exceptions import DockyardError
try:
    MachineEngine().start(print)
except DockyardError as error:
    print(error)
"""


def _without_seccomp(code: str, **more: str) -> str:
    """The output of Python code on a host that forbids seccomp filters."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_SECCOMP, sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@machines.on_a_machine
def test_where_filters_are_forbidden_the_trial_says_so(own_home, monkeypatch):
    monkeypatch.delenv(selection.VARIABLE, raising=False)
    artifacts.prepare(print)
    assert (
        "uml: its kernel exited when tried: SECCOMP userspace requested but not functional"
        in _without_seccomp(TRIALS)
    )


@machines.on_a_machine
def test_where_nothing_works_each_problem_is_told_and_a_command(own_home):
    artifacts.prepare(print)
    said = _without_seccomp(START, **{selection.VARIABLE: "uml"})
    assert "cannot run here: a working backend is needed" in said
    assert "not functional" in said
    assert "apt-get install --no-install-recommends qemu-system-x86" in said


def test_an_unknown_backend_is_refused_with_the_known_ones(monkeypatch):
    monkeypatch.setenv(selection.VARIABLE, "fast")
    with pytest.raises(UsageError) as refused:
        list(selection.trials())
    assert "kvm, uml, tcg" in str(refused.value)


@machines.on_a_machine
def test_the_running_machine_says_which_backend_runs_it(engine, daemon):
    assert any(engine.remark().startswith(backend.title) for backend in selection.BACKENDS)
