"""What a check of a lab does with programs that have only just been started."""

from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from dockyard.core import docker_client
from dockyard.labs.look import Look


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
def look():
    return Look(daemon=None, attempt=None)


def test_a_server_whose_store_is_still_starting_is_asked_again(look, server):
    assert look.get(server(503, 503, 200)) == (200, "status 200")


def test_a_server_that_never_reaches_its_store_is_quoted_when_patience_ends(look, server):
    assert look.get(server(503), patience=0.3) == (503, "status 503")


@pytest.mark.parametrize("status", [200, 404, 500])
def test_any_other_answer_is_taken_at_once(look, server, status):
    assert look.get(server(status, 200)) == (status, f"status {status}")


@pytest.mark.engine
def test_a_program_that_has_just_started_is_given_time_to_write(scene):
    scene.run("late", command=("sh", "-c", "sleep 1; echo now; sleep 60"))
    with closing(docker_client.connect()) as daemon:
        look, late = Look(daemon, attempt=None), daemon.containers.get("late")
        assert look.logged(late, "now")
        assert not look.logged(late, "then", patience=0.3)
