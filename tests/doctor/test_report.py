"""The doctor's report, as JSON and as text."""

import json
import sys

import pexpect
import pytest

from dockyard.core import paths
from dockyard.core.console import show
from dockyard.doctor import report
from dockyard.doctor.host_checks import Notice
from dockyard.doctor.report import EngineFinding, Report
from dockyard.engine.base import Need
from tests.support.command_line import run


def test_json_is_one_document_and_nothing_else():
    done = run("doctor", "--json")
    found = json.loads(done.stdout)
    assert {finding["provider"] for finding in found["providers"]} >= {"local", "embedded"}
    assert done.returncode == (0 if found["chosen"] else 1)


def test_a_pipe_gets_no_colours_and_no_line_is_broken(capsys):
    long = "word " * 60 + "[end]"
    needs = [
        Need("disk space", True, long),
        Need("client", False, "none", "install it"),
        Need("memory", False, "little", optional=True),
    ]
    finding = EngineFinding("local", "a daemon", False, needs)
    notice = Notice("disk", "The disk is full.", long, "docker system df")
    show(report.render(Report([finding], None, "no engine", {"client": "docker"}, [notice])))
    assert capsys.readouterr().out.splitlines() == [
        "client: docker",
        "",
        "local: a daemon — cannot work here",
        f"  ok  disk space: {long}",
        "  NO  client: none",
        "      next: install it",
        "  -   memory: little",
        "",
        "! The disk is full.",
        f"  {long}",
        "  docker system df",
        "",
        "chosen: none (no engine)",
    ]


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(variables, coloured, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said, _ = pexpect.run(
        f"{sys.executable} -m dockyard doctor", cwd=str(paths.CHECKOUT), timeout=120,
        withexitstatus=True,
    )  # fmt: skip
    assert b"chosen: " in said
    assert (b"\x1b[31m" in said or b"\x1b[32m" in said) is coloured
