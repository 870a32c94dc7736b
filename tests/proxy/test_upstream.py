"""Daemons behind TLS, behind ssh, and behind a context of the docker client."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from dockyard.core import wait
from dockyard.engine import discovery
from dockyard.engine.base import Endpoint
from dockyard.exceptions import UsageError
from dockyard.proxy import upstream
from tests.support.front_door import (
    ENGINE_ROOT,
    Docker,
    Dockerd,
    Door,
    needs_dockerd,
    short_folder,
)
from tests.support.ssh_server import serving

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


@pytest.fixture(scope="module")
def ssh_server(dockerd):
    """A computer whose docker command reaches that daemon."""
    with short_folder() as folder:
        path = f"{ENGINE_ROOT}/usr/bin:/usr/bin:/bin"
        with serving(folder, DOCKER_HOST=f"unix://{dockerd.socket}", PATH=path) as server:
            yield server


@contextmanager
def through_ssh(server):
    with short_folder() as own:
        door = Door(own, server.address, env={**os.environ, **server.env}).start()
        yield Docker(own, door.socket)
        door.stop()


@pytest.fixture(scope="module")
def over_ssh(ssh_server, docker):
    """The front door in front of that computer."""
    with through_ssh(ssh_server) as reached:
        yield reached


@pytest.fixture(params=["over_tls", "over_stdio", "over_ssh"])
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


def test_a_remote_image_is_built_by_buildkit(over_ssh, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo made > /made\n")
    over_ssh("build", "--network=none", "--tag", "made", str(tmp_path))
    assert over_ssh("run", "--rm", "--network=none", "made", "cat", "/made") == "made"


def test_commands_share_a_sign_in_and_more_at_once_than_it_carries_sign_in_again(
    ssh_server, over_ssh
):
    """sshd_config(5), MaxSessions: ten by default."""
    assert over_ssh("ps") is not None
    assert len(ssh_server.process.children()) == 1
    name = over_ssh("run", "--detach", "--network=none", "busybox", "sleep", "600")
    with ThreadPoolExecutor(12) as pool:
        said = list(pool.map(lambda number: over_ssh("exec", name, "echo", str(number)), range(12)))
    assert said == [str(number) for number in range(12)]
    over_ssh("rm", "--force", name)


def test_an_interrupted_command_leaves_no_ssh_behind(ssh_server, over_ssh):
    name = over_ssh("run", "--detach", "--network=none", "busybox", "sh", "-c", "yes | head; cat")
    with over_ssh.popen("logs", "--follow", name, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout.readline() == "y\n"
        following.send_signal(signal.SIGINT)
        following.wait(60)
    over_ssh("rm", "--force", name)
    wait.until("the others to end", lambda: len(ssh_server.commands()) == 1, 60)


def refusal(address, server, monkeypatch):
    """What discovery says of a daemon, and what a command through the front door says."""
    monkeypatch.setenv("PATH", server.env["PATH"])
    found = discovery.probe("here", Endpoint(address))
    assert found.verdict == "error"
    with short_folder() as own:
        door = Door(own, address).start()
        said = Docker(own, door.socket).run("ps").stderr
        door.stop()
    return found.detail, said


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("known_hosts", "this computer does not know the key of 127.0.0.1 yet"),
        ("key.pub", "127.0.0.1 accepts no key of yours"),
    ],
    ids=["the host's key", "the user's key"],
)
def test_ssh_that_refuses_is_an_error_with_the_reason(ssh_server, monkeypatch, file, reason):
    with ssh_server.without(file):
        detail, said = refusal(ssh_server.address, ssh_server, monkeypatch)
    assert detail == reason
    assert f"not running ({reason})" in said


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"PATH": "/nowhere"}, "there is no docker command on 127.0.0.1"),
        ({"DOCKER_HOST": "unix:///nowhere.sock"}, "no Docker daemon runs on 127.0.0.1"),
    ],
    ids=["no client", "no daemon"],
)
def test_a_computer_without_docker_is_an_error_with_the_reason(variables, reason, monkeypatch):
    with short_folder() as folder, serving(folder, **variables) as server:
        detail, said = refusal(server.address, server, monkeypatch)
        assert detail == reason
        assert reason in said


def test_an_address_that_ssh_would_take_for_an_option_is_refused():
    with pytest.raises(UsageError, match="is not the address of a daemon on another computer"):
        upstream.parse("ssh://-oProxyCommand=true/")
