"""The front door's process, sockets and options."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest

from tests.support.fake_daemon import FakeDaemon, request, respond_ok, stream_and_wait
from tests.support.front_door import Door


def test_only_the_owner_may_connect(door_without_engine):
    for path in (door_without_engine.socket, door_without_engine.records):
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600


def test_a_stale_socket_is_replaced(folder):
    first = Door(folder, "unix:///nowhere").start()
    first.process.kill()
    first.process.wait()
    assert first.socket.exists()
    Door(folder, "unix:///nowhere").start().stop()


def run_door(folder, *options):
    argv = [sys.executable, "-m", "dockyard.proxy", "--listen", folder / "docker.sock"]
    argv += ["--records", folder / "records.sock", *options]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_a_socket_in_use_is_left_alone(door_without_engine, folder):
    second = run_door(folder, "--upstream", "unix:///nowhere")
    assert second.returncode == 1
    assert "already listens" in second.stderr
    assert "python3 -m dockyard engine status" in second.stderr
    assert door_without_engine.raw(request("GET", "/info")).startswith(b"HTTP/1.1 503 ")


def test_a_file_at_the_path_of_the_socket_is_left_alone(folder):
    (folder / "docker.sock").write_text("mine")
    done = run_door(folder, "--upstream", "unix:///nowhere")
    assert done.returncode == 1
    assert "is not a socket" in done.stderr
    assert (folder / "docker.sock").read_text() == "mine"
    assert not (folder / "records.sock").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--upstream", "ftp://x"],
        ["--upstream", "unix://"],
        ["--upstream", "unix:///x", "--forward", "1"],
    ],
)
def test_an_invalid_address_is_a_usage_error(folder, options):
    done = run_door(folder, *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("respond", [respond_ok, stream_and_wait])
def test_it_stops_while_clients_are_connected(folder, respond):
    with FakeDaemon(folder / "engine.sock", respond) as daemon:
        door = Door(folder, f"unix://{daemon.path}").start()
        with door.connect() as connection:
            connection.sendall(request("GET", "/info"))
            connection.recv(1000)
            door.stop()
            assert connection.recv(1000) == b""
