"""Daemons behind TLS and behind a context of the docker client."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from dockyard.engine import discovery
from dockyard.engine.base import Endpoint
from tests.support.front_door import Docker, Dockerd, Door, needs_dockerd, short_folder

pytestmark = needs_dockerd


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA and certificates of a server and a client, made as in Docker's documentation.

    They have no keyUsage (https://docs.docker.com/engine/security/protect-access/).
    """
    made = tmp_path_factory.mktemp("tls")
    script = """
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca-key.pem -out ca.pem
    for name in server client; do
        openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $name-key.pem -out $name.csr
        printf "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${name}Auth\n" > $name.ext
        openssl x509 -req -days 2 -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial \
            -extfile $name.ext -out $name.pem
    done
    """
    subprocess.run(["sh", "-ec", script], cwd=made, check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def over_tls(dockerd, docker, certificates):
    """The front door in front of a daemon, reached over mutual TLS.

    This needs a real daemon: TLS servers differ in how they treat half-close.
    """
    with short_folder() as own, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        secured = Dockerd(own).start(
            *("--host", f"tcp://127.0.0.1:{port}", "--tlsverify"),
            *("--tlscacert", certificates / "ca.pem", "--tlscert", certificates / "server.pem"),
            *("--tlskey", certificates / "server-key.pem"),
        )
        door = Door(
            own,
            f"tcp://127.0.0.1:{port}",
            *("--tlscacert", str(certificates / "ca.pem")),
            *("--tlscert", str(certificates / "client.pem")),
            *("--tlskey", str(certificates / "client-key.pem")),
        ).start()
        reached = Docker(own, door.socket)
        with docker.popen("save", "busybox", stdout=subprocess.PIPE) as saving:
            reached("load", stdin=saving.stdout)
        keys = (certificates / name for name in ("ca.pem", "client.pem", "client-key.pem"))
        reached.daemon = Endpoint(f"tcp://127.0.0.1:{port}", *map(str, keys))
        yield reached
        door.stop()
        secured.stop()


@pytest.fixture(scope="module")
def over_stdio(dockerd, docker):
    """The front door in front of a context of the docker client."""
    with short_folder() as own:
        creator = Docker(own, dockerd.socket)
        del creator.env["DOCKER_HOST"]
        creator("context", "create", "remote", "--docker", f"host=unix://{dockerd.socket}")
        door = Door(own, "dial-stdio:remote", env=creator.env).start()
        yield Docker(own, door.socket)
        door.stop()


@pytest.fixture(params=["over_tls", "over_stdio"])
def remote(request):
    return request.getfixturevalue(request.param)


def test_a_remote_daemon_is_reached(remote):
    assert "Server:" in remote("version")
    assert remote("run", "--rm", "busybox", "echo", "hi") == "hi"


def test_a_daemon_behind_tls_is_discovered_without_a_front_door(over_tls):
    found = discovery.probe("here", over_tls.daemon)
    assert found.verdict == "answers", found.detail


def test_a_remote_command_sees_the_end_of_its_input(remote):
    data = os.urandom(1_000_000)
    name = remote("run", "--detach", "busybox", "sleep", "600")
    for _ in range(3):
        assert remote("exec", "-i", name, "cat", input=data, text=False, timeout=60) == data
    remote("rm", "--force", name)
