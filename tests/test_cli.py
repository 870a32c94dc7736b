"""The command line: usage errors, choices, and signals."""

import os
import socket
import subprocess
import sys

import pytest

from dockyard.core import paths, wait
from dockyard.engine import providers
from tests.support.command_line import run


@pytest.mark.parametrize(
    "words",
    [
        ["lern"],
        ["learn", "--engine", "warp"],
        ["learn", "--port", "99999"],
        ["engine"],
        ["engine", "status", "more"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(words):
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_an_error_before_anything_is_set_up(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("learn", "--port", str(port), home=tmp_path)
    assert done.returncode == 1
    assert f"Port {port} is already in use." in done.stderr
    assert not (tmp_path / "engine").exists()


def engines(command):
    """The choices that the usage message of a command has for --engine."""
    _, found, rest = run(command, "--help").stdout.partition("--engine {")
    assert found
    return set("".join(rest.partition("}")[0].split()).split(","))


def test_learners_are_offered_only_the_engines_for_learners(monkeypatch):
    monkeypatch.delenv(providers.VARIABLE, raising=False)
    assert engines("learn") == {"auto", "local", "embedded", "machine"}
    assert engines("engine") == {"auto", "local", "embedded", "machine"}


def test_learn_refuses_an_engine_of_the_tests_even_where_it_is_known(monkeypatch):
    monkeypatch.setenv(providers.VARIABLE, "tests.engines")
    done = run("learn", "--engine", "podman")
    assert done.returncode == 2
    assert "invalid choice: 'podman'" in done.stderr
    assert "podman" in engines("engine")


def test_test_refuses_an_engine_that_nobody_knows_and_names_all(tmp_path):
    done = run("test", "--engine", "docker-27", home=tmp_path)
    assert done.returncode == 2
    assert "There is no engine called 'docker-27'." in done.stderr
    assert "auto, local, embedded, machine, old-store, docker-20, bare, podman" in done.stderr


INTERRUPTED = """
import sys, time
from pathlib import Path
from dockyard import cli, course

def start(*_, **__):
    ready, cleaned = map(Path, sys.argv[1:3])
    try:
        ready.touch()
        time.sleep(1000)
    finally:
        # Long enough for a second signal to arrive.
        while not (sent := Path(sys.argv[3])).exists():
            time.sleep(0.01)
        cleaned.touch()

course.start = start
sys.exit(cli.main(["engine", "start"]))
"""


@pytest.mark.parametrize("signal", ["TERM", "HUP"])
def test_a_second_signal_does_not_interrupt_the_cleanup(signal, tmp_path):
    """timeout(1) sends its signal to the command and again to its process group."""
    ready, cleaned, sent = (tmp_path / name for name in ("ready", "cleaned", "sent"))
    # A parent such as nohup(1) may have it ignored.
    heard = ["env", f"--default-signal={signal}"]
    command = subprocess.Popen(
        [*heard, sys.executable, "-c", INTERRUPTED, ready, cleaned, sent],
        stderr=subprocess.PIPE, text=True, cwd=paths.CHECKOUT,
    )  # fmt: skip
    try:
        wait.until("the command", ready.exists, 120)
        for _ in range(3):
            subprocess.run(["kill", f"-{signal}", str(command.pid)], check=True)
        sent.touch()
        _, said = command.communicate(timeout=120)
    finally:
        command.kill()
    assert command.returncode == 130
    assert "interrupted" in said and "Traceback" not in said
    assert cleaned.exists()


IMPORTED = """
import sys
from dockyard import cli
cli.main(sys.argv[1:])
print(sorted({"docker", "requests"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("words", ["engine env", "engine status", "progress", "doctor"])
def test_without_a_daemon_no_command_imports_the_sdk(tmp_path, words):
    nowhere = {"DOCKYARD_HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words.split()], cwd=paths.CHECKOUT,
        env={**os.environ, **nowhere}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "[]"
