"""What a probe does with servers and programs that are still starting, odd or stuck."""

import os
import socket
import time
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from dockyard.core import docker_client
from dockyard.labs import attempt as attempts
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken
from tests.support.lab_attempts import LAB, start_web


@pytest.fixture
def server():
    """Starts a server that gives one status after the other, and the last one for ever."""
    running = []

    def start(*statuses):
        left = list(statuses)

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                status = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(f"status {status}".encode())

            def log_message(self, *words):
                pass

        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Answer))
        Thread(target=running[-1].serve_forever, daemon=True).start()
        return running[-1].server_port

    yield start
    for each in running:
        each.shutdown()
        each.server_close()


@pytest.fixture
def probe():
    return Probe(daemon=None, attempt=None)


def test_a_server_that_answers_503_while_its_store_starts_is_asked_again(probe, server):
    assert probe.get(server(503, 503, 200), patience=60) == (200, "status 200")


def test_the_status_503_is_returned_when_patience_ends(probe, server):
    assert probe.get(server(503), patience=0.3) == (503, "status 503")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_any_other_status_is_returned_at_once(probe, server, status):
    assert probe.get(server(status, 200)) == (status, f"status {status}")


@pytest.fixture
def late_program():
    """A port where connections are closed at once until a program listens, two seconds later."""
    with socket.create_server(("127.0.0.1", 0)) as published:
        ready = time.monotonic() + 2

        def serve():
            with suppress(OSError):
                while True:
                    connection, _ = published.accept()
                    with connection:
                        if time.monotonic() > ready:
                            connection.recv(1000)
                            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nlate")

        Thread(target=serve, daemon=True).start()
        yield published.getsockname()[1]


def test_a_program_has_longer_to_start_on_a_busy_computer(probe, late_program, monkeypatch):
    load = 5.0 * os.cpu_count()
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    assert probe.get(late_program, patience=1) == (200, "late")


def test_a_program_that_never_listens_is_given_up(probe, late_program, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    with pytest.raises(Broken, match="does not answer"):
        probe.get(late_program, patience=0.1)


@pytest.mark.engine
@pytest.mark.usefixtures("own_progress")
def test_a_container_may_work_longer_on_a_busy_computer(scene, monkeypatch):
    monkeypatch.setattr("dockyard.labs.probe.PATIENCE", 1)
    attempt = attempts.begin(LAB)
    words = ("busybox", "sh", "-c", "sleep 3; echo done")
    with closing(docker_client.connect()) as daemon:
        probe = Probe(daemon, attempt)
        monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
        with pytest.raises(Broken, match=r"busybox was still running after 1 s\."):
            probe.run(*words)
        monkeypatch.setattr(os, "getloadavg", lambda: (100.0 * os.cpu_count(), 0.0, 0.0))
        assert probe.run(*words) == (0, "done\n")


@pytest.mark.engine
def test_a_program_is_given_time_to_print(scene):
    program = "until [ -e /go ]; do sleep 0.1; done; echo now; sleep 1000"
    scene.run("late", command=("sh", "-c", program))
    with closing(docker_client.connect()) as daemon:
        probe, late = Probe(daemon, attempt=None), daemon.containers.get("late")
        assert not probe.logged(late, "now", patience=0.3)
        scene.docker("exec", "late", "touch", "/go")
        assert probe.logged(late, "now", patience=60)


@pytest.mark.engine
@pytest.mark.usefixtures("own_progress")
def test_a_program_that_does_not_exit_is_given_up():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    # Short for a test, long enough for the requests before it on a loaded computer.
    with closing(docker_client.connect(timeout=5)) as daemon:
        probe = Probe(daemon, attempt)
        with pytest.raises(Broken, match=r"sleep in .* had not ended after 5 s"):
            probe.execute(probe.running(probe["WEB"]), "sleep", "100")


@pytest.mark.engine
@pytest.mark.usefixtures("own_progress")
def test_a_warning_on_standard_error_is_not_part_of_a_document():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    program = "echo WARNING >&2; echo '{}'"
    with closing(docker_client.connect()) as daemon:
        probe = Probe(daemon, attempt)
        web = probe.running(probe["WEB"])
        assert probe.document(web, "sh", "-c", program) == {}
        assert probe.document(web, "sh", "-c", "exit 1") is None
        with pytest.raises(Broken, match=r"In .*, sh says 'no'"):
            probe.document(web, "sh", "-c", "echo no")
