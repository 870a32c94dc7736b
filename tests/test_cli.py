"""The command line: one clear line, the next command, the exit code that DESIGN promises."""

import json
import os
import socket
import subprocess
import sys

import pytest

from dockyard import paths


def run(*words, home=None, **variables):
    environment = {**os.environ, "PYTHONPATH": str(paths.CHECKOUT), **variables}
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if name not in variables:
            environment.pop(name, None)
    if home:
        environment["DOCKYARD_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "dockyard", *words],
        capture_output=True, text=True, env=environment, cwd=paths.CHECKOUT,
        stdin=subprocess.DEVNULL, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [["lern"], ["learn", "--engine", "warp"], ["learn", "--port", "99999"], ["engine"], []],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(words):
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said_before_anything_is_set_up(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("learn", "--port", str(port), home=tmp_path)
    assert done.returncode == 1
    assert f"Port {port} is already in use." in done.stderr
    assert not (tmp_path / "engine").exists()


def test_no_daemon_at_docker_host_names_the_place_and_the_next_command(tmp_path):
    done = run(
        "engine", "start", "--engine", "local", home=tmp_path,
        DOCKER_HOST=f"unix://{tmp_path}/nobody.sock",
    )  # fmt: skip
    assert done.returncode == 1
    assert "nobody.sock" in done.stderr
    assert "--engine embedded" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_socket_without_a_daemon_is_told_from_no_socket(tmp_path):
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    done = run("engine", "start", "--engine", "local", home=tmp_path, DOCKER_HOST=f"unix://{path}")
    assert done.returncode == 1
    assert "The socket exists but its daemon is not running." in done.stderr


def test_a_home_that_cannot_be_written_says_so(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run("engine", "start", home=blocked / "home")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "DOCKYARD_HOME=" in done.stderr


def test_doctor_prints_one_json_document_and_nothing_else():
    done = run("doctor", "--json")
    report = json.loads(done.stdout)
    assert {finding["provider"] for finding in report["providers"]} >= {"local", "embedded"}
    assert done.returncode == (0 if report["chosen"] else 1)


def test_engine_status_of_a_stopped_course_ends_with_1(tmp_path):
    done = run("engine", "status", "--json", home=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["running"] is False


def test_reset_wants_to_know_what():
    done = run("reset")
    assert done.returncode == 2
    assert "--all" in done.stderr


def test_an_unknown_notebook_is_answered_with_the_known_ones():
    done = run("reset", "99-nothing")
    assert done.returncode == 2
    assert "00-start-here" in done.stderr
