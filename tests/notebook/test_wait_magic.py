"""``%wait`` on the course's daemon."""

import http.server
import threading
import uuid

import pytest

from dockyard.exceptions import DockyardError, UsageError
from dockyard.notebook import wait_magic
from tests.support.command_line import docker

pytestmark = pytest.mark.engine


@pytest.fixture
def name():
    made = f"waited-{uuid.uuid4().hex[:8]}"
    yield made
    docker("rm", "--force", made, check=False)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(wait_magic, "PATIENCE", 1)
    monkeypatch.setattr(wait_magic, "LONGEST", 1)


def test_it_waits_for_health_and_for_the_end(name):
    check = ["--health-cmd", "test -e /ready", "--health-interval", "1s", "--health-retries", "1"]
    docker("run", "--detach", "--name", name, *check, "busybox", "sh", "-c",
           "sleep 1; touch /ready; sleep 600")  # fmt: skip
    assert wait_magic.until(f"{name} healthy") == f"{name} is healthy."
    docker("exec", name, "rm", "/ready")
    assert wait_magic.until(f"{name} unhealthy") == f"{name} is unhealthy."
    docker("kill", name)
    assert wait_magic.until(f"{name} exited") == f"{name} is exited."
    docker("rm", name)
    assert wait_magic.until(f"{name} removed") == f"{name} is removed."


def test_what_does_not_come_true_is_said_with_what_was_seen(name, impatient):
    docker("create", "--name", name, "busybox")
    with pytest.raises(DockyardError) as caught:
        wait_magic.until(f"{name} running")
    assert f"{name} is not running." in str(caught.value)
    assert "It is created." in str(caught.value)
    assert f"docker logs {name}" in str(caught.value)


def test_it_waits_for_a_server_that_answers(impatient):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert wait_magic.until(address) == f"{address} answers."
        with pytest.raises(DockyardError, match="does not answer"):
            wait_magic.until(f"{address}/ill")
        server.shutdown()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if self.path == "/ill" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_it_waits_for_a_command_that_succeeds(name, impatient, monkeypatch):
    docker("run", "--detach", "--name", name, "busybox", "sleep", "600")
    assert wait_magic.until(f"docker exec {name} true").startswith("It succeeds:")
    with pytest.raises(DockyardError, match="has not succeeded"):
        wait_magic.until(f"docker exec {name} false")


def test_it_waits_for_a_command_that_prints_a_word(name, impatient):
    command = f"docker exec {name} echo up and running"
    docker("run", "--detach", "--name", name, "busybox", "sleep", "600")
    assert wait_magic.until(f"{command} prints up") == f"It prints up:  {command}"
    with pytest.raises(DockyardError, match="has not printed run:"):
        wait_magic.until(f"{command} prints run")


@pytest.mark.parametrize("line", ["", "web", "web happy", "rm -rf x", "ftp://127.0.0.1"])
def test_anything_else_is_wrong_usage(line):
    with pytest.raises(UsageError, match="Say what to wait for"):
        wait_magic.until(line)
