"""The registry browser with registries that need TLS and a password, or tokens."""

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from dockyard import views
from dockyard.engine import engine_root
from dockyard.registry.api import MANIFESTS, Manifest
from dockyard.views.remote_registry import connect
from tests.support.registry_process import RegistryProcess

pytestmark = pytest.mark.skipif(
    not engine_root.can_be_had(), reason="needs the program docker-registry"
)

USER, PASSWORD = "learner", "harbour"
ENTRY = f"{USER}:$2y$05$abcdefghijklmnopqrstuuZ9hITkhSjgdPh1azpD9e5XbVlHeIfui\n"
"""The output of ``htpasswd -B`` for them."""


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A certificate authority, and a certificate signed by it."""
    folder = tmp_path_factory.mktemp("keys")
    name = ["-newkey", "rsa:2048", "-noenc", "-days", "2"]
    openssl(
        "req", "-x509", *name, "-subj", "/CN=harbour authority",
        "-keyout", folder / "ca.key", "-out", folder / "ca.crt",
    )  # fmt: skip
    openssl(
        "req", "-x509", *name, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
        "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
        "-keyout", folder / "server.key", "-out", folder / "server.crt",
    )  # fmt: skip
    (folder / "htpasswd").write_text(ENTRY)
    return folder


def push(registry, repository):
    """Push an image of one layer with one file."""

    def put(content, kind):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        registry.put_blob(repository, digest, iter([content]))
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("etc/motd")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    layer = gzip.compress(packed.getvalue())
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFESTS[0],
        "config": put(b'{"os": "linux"}', "application/vnd.oci.image.config.v1+json"),
        "layers": [put(layer, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    content = json.dumps(document).encode()
    registry.put_manifest(repository, "1", Manifest(content, MANIFESTS[0], "", document))


def read_all(browser):
    """Browse from the catalog to the file in the layer of ``team/site``."""
    browser.browse("team/site:1")
    assert browser.repositories == ["other", "team/site"]
    assert browser.tags == ["1"]
    browser.open_blob(browser.manifest["parts"][1]["digest"])
    assert browser.blob["lines"] == ["     5 B  /etc/motd"]
    browser.browse("other:1")
    assert browser.complaint == ""


@pytest.fixture
def locked(tmp_path, keys):
    """A registry with TLS and a password, two repositories in it."""
    running = RegistryProcess(
        tmp_path,
        http={"tls": {"certificate": str(keys / "server.crt"), "key": str(keys / "server.key")}},
        auth={"htpasswd": {"realm": "harbour", "path": str(keys / "htpasswd")}},
    )
    for repository in ("team/site", "other"):
        push(connect(running.address, user=USER, password=PASSWORD), repository)
    yield running.address
    running.stop()


def test_a_registry_with_tls_and_a_password_is_read_down_to_the_files(locked, keys):
    who = {"user": USER, "password": PASSWORD}
    read_all(views.registry_browser(locked, **who, certificate=str(keys / "ca.crt")))
    # On this computer Docker asks for no proof of a name, and neither does the browser.
    read_all(views.registry_browser(locked, **who))

    nobody = views.registry_browser(locked)
    nobody._repr_mimebundle_()
    assert "wants to know who asks (status 401)" in nobody.complaint
    assert "user=NAME, password=PASSWORD" in nobody.complaint
    wrong = views.registry_browser(locked, user=USER, password="not-that-one")
    wrong._repr_mimebundle_()
    assert "does not let you read this (status 401)" in wrong.complaint
    assert "not-that-one" not in wrong.words()
    # Another authority's signature is no proof.
    openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=somebody",
        "-keyout", keys / "other.key", "-out", keys / "other.crt",
    )  # fmt: skip
    other = views.registry_browser(locked, **who, certificate=str(keys / "other.crt"))
    other._repr_mimebundle_()
    assert f"The certificate of {locked} cannot be checked" in other.complaint


class TokenService(ThreadingHTTPServer):
    """Issues signed tokens (Distribution: Token Authentication Specification); keeps a list."""

    daemon_threads = True

    def __init__(self, keys):
        self.keys, self.asked, self.realm = keys, [], ""
        super().__init__(("127.0.0.1", 0), TokenRequest)
        self.realm = f"http://127.0.0.1:{self.server_port}/token"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def token(self, scopes):
        pem = (self.keys / "server.crt").read_text()
        der = "".join(line for line in pem.splitlines() if "-----" not in line)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        now = int(time.time())
        access = [
            {"type": kind, "name": name, "actions": actions.split(",")}
            for kind, name, actions in (scope.split(":") for scope in scopes)
        ]
        claims = {
            "iss": "harbour", "sub": USER, "aud": "registry", "jti": str(len(self.asked)),
            "iat": now, "nbf": now - 10, "exp": now + 60, "access": access,
        }  # fmt: skip
        said = b".".join(code(json.dumps(part).encode()) for part in (header, claims))
        signed = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.keys / "server.key"],
            input=said, capture_output=True, check=True,
        )  # fmt: skip
        return b".".join((said, code(signed.stdout))).decode()


def code(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=")


class TokenRequest(BaseHTTPRequestHandler):
    """One request for a token."""

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        self.server.asked.append(asked)
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        allowed = self.headers.get("Authorization") == known
        self.send_response(200 if allowed else 401)
        self.end_headers()
        if allowed:
            token = self.server.token(asked.get("scope", []))
            self.wfile.write(json.dumps({"token": token}).encode())

    def log_message(self, *words):
        """Say nothing: the test asks for the list."""


@pytest.fixture
def tokens(keys):
    service = TokenService(keys)
    yield service
    service.shutdown()
    service.server_close()


def test_a_registry_that_wants_tokens_gets_one_for_each_scope(tmp_path, keys, tokens):
    running = RegistryProcess(
        tmp_path,
        auth={
            "token": {
                "realm": tokens.realm,
                "service": "registry",
                "issuer": "harbour",
                "rootcertbundle": str(keys / "ca.crt"),
            }
        },
    )
    try:
        who = {"user": USER, "password": PASSWORD}
        for repository in ("team/site", "other"):
            push(connect(running.address, **who), repository)
        tokens.asked.clear()
        read_all(views.registry_browser(running.address, **who))
        # As long as a token serves, no other is asked for; browse() reads the catalogue again.
        assert [asked.get("scope", [""])[0] for asked in tokens.asked] == [
            "",
            "registry:catalog:*",
            "repository:team/site:pull",
            "registry:catalog:*",
            "repository:other:pull",
        ]

        for wrong in ({}, {"user": USER, "password": "wrong"}):
            browser = views.registry_browser(running.address, **wrong)
            browser._repr_mimebundle_()
            assert "its token service gave none" in browser.complaint
            assert "user=NAME, password=PASSWORD" in browser.complaint
    finally:
        running.stop()
