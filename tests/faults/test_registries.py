"""Registries in the place of Docker Hub that misbehave: said at once, and nothing is kept."""

import hashlib
import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dockyard.core import paths
from dockyard.exceptions import RegistryError
from dockyard.registry import hub, server
from dockyard.registry.image_catalog import by_reference
from tests.registry.samples import needs_docker_registry, say
from tests.support import homes

pytestmark = [needs_docker_registry, pytest.mark.slow]
BOX = by_reference()["hello-world:latest"]
BOUND = 20
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = b'{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}'


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


LAYER = b"x" * 5000
MANIFEST_BODY = json.dumps(
    {
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": digest(CONFIG), "size": len(CONFIG)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": digest(LAYER), "size": len(LAYER)}],
    }
).encode()  # fmt: skip


REFUSALS = {
    "429": (429, {}),
    "429 after": (429, {"Retry-After": "3600"}),
    "500": (500, {}),
    "endless log-in": (401, {"WWW-Authenticate": 'Bearer realm="x://y"'}),
}


class Misbehaving(BaseHTTPRequestHandler):
    """A registry of one image; ``server.how`` says what is wrong with it."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        how = self.server.how
        if self.path == "/v2/":
            self.answer(200, b"{}")
        elif how == "silent":
            self.server.over.wait()
        elif how in REFUSALS:
            status, headers = REFUSALS[how]
            self.answer(status, b"", **headers)
        elif "/manifests/" in self.path:
            body = b"<html>" if how == "no JSON" else MANIFEST_BODY
            self.answer(200, body, **{"Content-Type": MANIFEST})
        else:
            self.blob(CONFIG if digest(CONFIG) in self.path else LAYER)

    def blob(self, content):
        how = self.server.how
        if how == "wrong digest":
            content = b"y" * len(content)
        if how not in ("stalls", "trickles", "breaks off"):
            self.answer(200, content)
            return
        self.close_connection = True
        self.answer(200, content[:20], length=len(content))
        if how == "stalls":
            self.server.over.wait()
        elif how == "trickles":
            for number in range(20, len(content)):
                if self.server.over.wait(0.2):
                    break
                self.wfile.write(content[number : number + 1])

    def answer(self, status, body, length=None, **headers):
        self.send_response(status)
        headers.setdefault("Docker-Content-Digest", digest(MANIFEST_BODY))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle(self):
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *words):
        pass


@pytest.fixture
def misbehaving(monkeypatch, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as running:
        running.over, running.how = threading.Event(), ""
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKYARD_HUB", f"http://127.0.0.1:{running.server_address[1]}")
        yield running
        running.over.set()
        running.shutdown()


@pytest.fixture
def own(tmp_path, monkeypatch):
    homes.give_engine_root(tmp_path / "home")
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    yield server.start(say)
    server.stop()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("429", "429"),
        ("429 after", "try again in 3600 s"),
        ("500", "500"),
        ("silent", "does not answer"),
        ("endless log-in", "does not answer as a registry does"),
        ("no JSON", ""),
        ("wrong digest", ""),
        ("stalls", "nothing has come"),
        ("trickles", "nothing has come"),
        ("breaks off", ""),
    ],
)
def test_it_is_said_within_20_seconds_and_nothing_is_kept(own, misbehaving, how, said):
    misbehaving.how = how
    told = []
    began = time.monotonic()
    with server.writer() as writer:
        refused = hub.copy_all(writer, None, [BOX], told.append, False, False)
        took = time.monotonic() - began
    assert refused == [BOX]
    assert took < BOUND
    (line,) = told
    assert line.startswith(f"{BOX.reference} did not come from Docker Hub: ")
    assert said in line
    assert own.manifest(BOX.repository, "latest") is None
    assert not list(paths.home().glob(".registry-*")), "no scratch folder is left"


def test_asked_for_by_name_it_is_an_error_with_the_way_out(own, misbehaving):
    misbehaving.how = "429 after"
    with server.writer() as writer, pytest.raises(RegistryError) as error:
        hub.copy_all(writer, None, [BOX], print, False, True)
    assert "DOCKYARD_SOURCE=debian" in str(error.value)
    assert "429" in str(error.value)


def test_a_registry_that_behaves_is_copied(own, misbehaving):
    """Otherwise the other tests would prove nothing."""
    with server.writer() as writer:
        assert hub.copy_all(writer, None, [BOX], print, False, False) == []
    assert own.manifest(BOX.repository, "latest").digest == digest(MANIFEST_BODY)
