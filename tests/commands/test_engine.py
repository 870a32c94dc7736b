"""``engine``: what it prints and its exit codes when no engine runs or can be started."""

import json
import socket

from tests.support.command_line import run


def test_no_daemon_at_docker_host_is_an_error_with_the_address_and_the_next_command(tmp_path):
    done = run(
        "engine", "start", "--engine", "local", home=tmp_path,
        DOCKER_HOST=f"unix://{tmp_path}/nobody.sock",
    )  # fmt: skip
    assert done.returncode == 1
    assert "nobody.sock" in done.stderr
    assert "--engine embedded" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_socket_without_a_daemon_has_another_message_than_no_socket(tmp_path):
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    done = run("engine", "start", "--engine", "local", home=tmp_path, DOCKER_HOST=f"unix://{path}")
    assert done.returncode == 1
    assert "The socket exists but its daemon is not running." in done.stderr


def test_a_home_that_is_not_writable_is_an_error(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run("engine", "start", home=blocked / "home")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "DOCKYARD_HOME=" in done.stderr


def test_status_of_a_stopped_course_exits_with_1(tmp_path):
    done = run("engine", "status", "--json", home=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["running"] is False


def test_env_of_a_stopped_course_prints_no_variables(tmp_path):
    """Without a configuration folder docker would use its default socket."""
    for words in ((), ("--json",), ("--lab", "07")):
        done = run("engine", "env", *words, home=tmp_path)
        assert done.returncode == 1
        assert done.stdout == ""
        assert "python3 -m dockyard engine start" in done.stderr
