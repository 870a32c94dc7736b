"""The front door before a real dockerd: every kind of client, and every kind of end."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time

import docker as sdk
import pexpect
import pytest
from docker.errors import BuildError

from dockyard.core import docker_client as course_client
from dockyard.core import wait
from dockyard.engine import discovery
from dockyard.engine.base import Endpoint
from dockyard.trace import exchange_text
from dockyard.trace.recorder import Recorder
from tests.support.front_door import Docker, Dockerd, Door, build_busybox, short_folder, unmarked

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("dockerd"), reason="starts a dockerd of its own"
    ),
]

COURSE = {"dockyard.course": "1"}
LESSON = COURSE | {"dockyard.lesson": "05-registries"}
GIGABYTE = 1024**3


@pytest.fixture(scope="module")
def folder():
    with short_folder() as made:
        yield made


@pytest.fixture(scope="module")
def dockerd(folder):
    started = Dockerd(folder).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def door(folder, dockerd):
    opened = Door(folder, f"unix://{dockerd.socket}").start()
    yield opened
    opened.stop()


@pytest.fixture(scope="module")
def direct(folder, dockerd):
    """The docker client past the front door."""
    return Docker(folder, dockerd.socket)


@pytest.fixture(scope="module")
def docker(folder, door, direct):
    """The docker client of a lesson."""
    made = Docker(folder, door.socket, lesson="05-registries")
    build_busybox(direct, folder)
    return made


@pytest.fixture
def sleeper(docker):
    """A container that runs."""
    name = docker("run", "--detach", "busybox", "sleep", "600")
    yield name
    docker("rm", "--force", name)


@pytest.fixture
def client(door, docker):
    made = sdk.DockerClient(base_url=f"unix://{door.socket}")
    yield made
    made.close()


def labels(docker, name, kind="container"):
    inspected = json.loads(docker("inspect", "--type", kind, name))[0]
    return inspected.get("Config", inspected)["Labels"]


# Streams


def test_a_command_reads_what_is_piped_into_it(docker, sleeper):
    done = docker.run("exec", "-i", sleeper, "cat", input="hi\n")
    assert (done.stdout, done.returncode) == ("hi\n", 0)
    data = os.urandom(3_000_000)
    assert docker("exec", "-i", sleeper, "cat", input=data, text=False) == data


def test_standard_output_and_error_arrive_apart_with_the_exit_code(docker):
    done = docker.run("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_a_terminal_is_attached(docker):
    child = pexpect.spawn(
        "docker", ["run", "-it", "--rm", "busybox", "sh"], env=docker.env, timeout=20
    )
    child.expect("# ")
    child.sendline("echo $((6*7)); tty")
    child.expect_exact("42\r\n/dev/pts/0")
    wait.until("the new size", lambda: _columns(child, 133) == "133", 10)
    child.sendline("exit 3")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def _columns(child, wished):
    # Each time anew: the client misses a change that comes before it listens for them.
    child.setwinsize(40, 80)
    child.setwinsize(40, wished)
    child.sendline("stty size")
    child.expect(r"\d+ (\d+)\r\n")
    return child.match[1].decode()


def test_logs_are_followed_as_they_come(docker):
    name = docker("run", "-d", "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.5; done")
    began = time.monotonic()
    with docker.popen("logs", "-f", name, stdout=subprocess.PIPE, text=True) as following:
        first = following.stdout.readline()
        assert (first, time.monotonic() - began < 1.2) == ("1\n", True)
        assert following.stdout.read() == "2\n3\n"
    docker("rm", name)


def test_events_arrive_while_they_happen(docker, client):
    events = client.events(decode=True)
    client.volumes.create("seen").remove()
    assert [next(events)["Action"] for _ in range(2)] == ["create", "destroy"]
    events.close()


class Repeated(io.RawIOBase):
    """A file of one block of random bytes, over and over."""

    block = os.urandom(1024 * 1024)

    def read(self, size=-1):
        return self.block[:size]


@pytest.mark.slow
def test_a_gigabyte_passes_both_ways_and_none_of_it_is_kept(docker, direct, door):
    before = door.peak_memory()
    with docker.popen(
        "import", "-", "big", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as importing:
        with tarfile.open(fileobj=importing.stdin, mode="w|") as archive:
            info = tarfile.TarInfo("big")
            info.size = GIGABYTE
            archive.addfile(info, Repeated())
        importing.stdin.close()
        assert importing.wait() == 0
    try:
        assert digest_of_save(docker) == digest_of_save(direct)
    finally:
        direct("rmi", "--force", "big")
    assert door.peak_memory() - before < 16 * 1024 * 1024


def digest_of_save(docker):
    with docker.popen("save", "big", stdout=subprocess.PIPE) as saving:
        digest = hashlib.file_digest(saving.stdout, "sha256").hexdigest()
        assert saving.wait(10) == 0
    return digest


def test_files_are_copied_in_and_out(docker, sleeper, tmp_path):
    (tmp_path / "in").write_bytes(os.urandom(5_000_000))
    docker("cp", str(tmp_path / "in"), f"{sleeper}:/copy")
    docker("cp", f"{sleeper}:/copy", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


# Many at once


def test_a_thousand_requests_in_parallel(door, sleeper):
    async def one(number):
        target = "/version" if number % 2 else f"/containers/{sleeper}/json"
        reader, writer = await asyncio.open_unix_connection(str(door.socket))
        writer.write(f"GET {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert b"200 OK" in head
        if b"chunked" in head.lower():
            body = b"".join(body.split(b"\r\n")[1::2])
        return json.loads(body)

    async def every():
        return await asyncio.gather(*[one(number) for number in range(1000)])

    answers = asyncio.run(every())
    assert all(answer["Id"] == sleeper for answer in answers[::2])
    assert all(answer["Os"] == "linux" for answer in answers[1::2])
    door.until_connections(0)


# Ends


@pytest.mark.parametrize(
    "words",
    [
        ["events"],
        ["attach", "{sleeper}"],
        ["exec", "{sleeper}", "sleep", "600"],
        ["exec", "-i", "{sleeper}", "sleep", "600"],
        ["logs", "-f", "{sleeper}"],
        ["stats", "{sleeper}"],
        ["wait", "{sleeper}"],
    ],
    ids=" ".join,
)
def test_a_client_that_is_killed_leaves_no_connection_behind(docker, door, sleeper, words):
    door.until_connections(0)
    words = [word.format(sleeper=sleeper) for word in words]
    # The end of the input, where it is attached, has come long before the kill.
    with docker.popen(*words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        time.sleep(0.5)
        assert running.poll() is None
        assert door.connections() >= 2
        running.kill()
        door.until_connections(0, timeout=1)


def test_a_daemon_that_is_killed_and_comes_back(folder):
    with short_folder() as own:
        dockerd = Dockerd(own).start()
        door = Door(own, f"unix://{dockerd.socket}").start()
        docker = Docker(own, door.socket)
        kept = sdk.DockerClient(base_url=f"unix://{door.socket}")
        assert kept.ping()
        with docker.popen("events", stderr=subprocess.PIPE, text=True) as following:
            time.sleep(0.5)
            dockerd.kill()
            assert following.wait(5) != 0
        refused = docker.run("ps")
        assert refused.returncode == 1
        assert "front door is not running" in refused.stderr
        assert "python3 -m dockyard engine start" in refused.stderr
        with pytest.raises(sdk.errors.APIError, match="front door is not running"):
            kept.ping()
        dockerd.start()
        assert kept.ping()
        assert docker("ps", "--quiet") == ""
        kept.close()
        dockerd.stop()
        door.stop()


# Labels


def test_what_a_command_creates_is_labelled(docker, direct):
    name = docker("create", "--label", "mine=1", "--volume", "named:/data", "busybox")
    docker("network", "create", "--config-only", "net")
    docker("volume", "create", "made")
    assert unmarked(labels(docker, name)) == LESSON | {"mine": "1"}
    assert unmarked(labels(docker, "net", "network")) == LESSON
    assert unmarked(labels(docker, "made", "volume")) == LESSON
    assert unmarked(labels(docker, "named", "volume")) == LESSON
    docker("rm", name)
    docker("network", "rm", "net")
    docker("volume", "rm", "made", "named")


def test_a_volume_of_the_learners_own_stays_without_labels(docker, direct):
    direct("volume", "create", "theirs")
    name = docker("create", "--volume", "theirs:/data", "busybox")
    other = docker("create", "--mount", "type=volume,source=theirs,target=/data", "busybox")
    assert labels(docker, "theirs", "volume") is None
    docker("rm", name, other)
    direct("volume", "rm", "theirs")


def test_a_mounted_volume_is_labelled(docker):
    name = docker("create", "--mount", "type=volume,source=mounted,target=/data", "busybox")
    assert unmarked(labels(docker, "mounted", "volume")) == LESSON
    docker("rm", name)
    docker("volume", "rm", "mounted")


def test_what_the_sdk_creates_is_labelled(client, docker):
    container = client.containers.create("busybox", labels={"mine": "1"})
    assert unmarked(container.labels) == COURSE | {"mine": "1"}
    container.remove()
    volume = client.volumes.create("v1")
    assert unmarked(volume.attrs["Labels"]) == COURSE
    volume.remove()


@pytest.fixture
def context(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo built\n")
    return tmp_path


def test_an_image_of_the_classic_builder_is_labelled(docker, context):
    docker.env["DOCKER_BUILDKIT"] = "0"
    docker("build", "--network=none", "--tag", "classic", "--label", "mine=1", str(context))
    del docker.env["DOCKER_BUILDKIT"]
    assert labels(docker, "classic", "image") == LESSON | {"mine": "1"}
    docker("rmi", "classic")


def test_a_failed_step_of_the_classic_builder_leaves_no_container(docker, client, context):
    (context / "Dockerfile").write_text("FROM busybox\nLABEL dockyard.lesson=99\nRUN false\n")
    with pytest.raises(BuildError):
        client.images.build(path=str(context), forcerm=False)
    lesson = {"label": "dockyard.lesson=99"}
    assert client.api.containers(all=True, filters=lesson) == []
    for image in client.api.images(all=True, filters=lesson):
        client.images.remove(image["Id"])


def test_buildkit_builds_through_the_front_door(docker, door, context):
    if not course_client.find_plugin("buildx"):
        pytest.skip("there is no buildx")
    (context / "Dockerfile").write_text("FROM busybox\nCOPY note /note\nRUN wc -c /note\n")
    (context / "note").write_bytes(os.urandom(3_000_000))
    with Recorder(socket_path=door.records) as seen:
        docker("buildx", "build", "--network=none", "--tag", "kit", "--load", str(context))
    upgrades = [each.path for each in seen.exchanges if each.kind == "upgrade"]
    assert {"/grpc", "/session"} & set(upgrades)
    docker("rmi", "kit")


def test_compose_works_and_what_it_creates_is_labelled(docker, tmp_path):
    if not course_client.find_plugin("compose"):
        pytest.skip("there is no Compose")
    (tmp_path / "compose.yaml").write_text(
        "services: {one: {image: busybox, command: sleep 600, network_mode: none, init: true,"
        " volumes: ['data:/data']}}\nvolumes: {data: {}}\n"
    )
    docker("compose", "up", "--detach", cwd=tmp_path)
    project = tmp_path.name.replace("_", "").lower()
    names = docker("compose", "ps", "--quiet", cwd=tmp_path)
    assert labels(docker, names).items() >= LESSON.items()
    volume = docker("volume", "ls", "--quiet", "--filter", "label=com.docker.compose.volume=data")
    assert labels(docker, volume, "volume").items() >= LESSON.items()
    assert project
    docker("compose", "exec", "-T", "one", "true", cwd=tmp_path)
    docker("compose", "down", "--volumes", "--timeout", "1", cwd=tmp_path)


# Records


def test_a_run_is_recorded_the_same_way_every_time(docker, door):
    expected = [
        ("HEAD", "/_ping", 200, "plain"),
        ("POST", "/containers/create", 201, "plain"),
        ("POST", "/containers/{id}/attach", 101, "upgrade"),
        ("POST", "/containers/{id}/wait", 200, "stream"),
        ("POST", "/containers/{id}/start", 204, "plain"),
    ]
    for _ in range(5):
        with Recorder("05-registries", socket_path=door.records) as seen:
            docker("run", "--rm", "busybox", "true")
        assert [
            (each.method, exchange_text.path(each), each.status, each.kind)
            for each in seen.exchanges
        ] == expected
        assert all(each.duration_ms is not None for each in seen.exchanges)
        assert seen.exchanges[1].body["Image"] == "busybox"


# Other ways to the daemon


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, a server's and a client's certificate, made as on Docker's page.

    https://docs.docker.com/engine/security/protect-access/ says nothing of keyUsage.
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
    """The front door before the same daemon, reached over mutual TLS.

    The daemon's own TLS, not a stand-in: half-close is where TLS servers differ.
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
        reached.past_the_door = Endpoint(f"tcp://127.0.0.1:{port}", *map(str, keys))
        yield reached
        door.stop()
        secured.stop()


@pytest.fixture(scope="module")
def over_stdio(folder, dockerd, docker):
    """The front door before a context of the docker client."""
    with short_folder() as own:
        creator = Docker(own, dockerd.socket)
        del creator.env["DOCKER_HOST"]
        creator("context", "create", "far", "--docker", f"host=unix://{dockerd.socket}")
        door = Door(own, "dial-stdio:far", env=creator.env).start()
        yield Docker(own, door.socket)
        door.stop()


@pytest.fixture(params=["over_tls", "over_stdio"])
def far(request):
    return request.getfixturevalue(request.param)


def test_a_far_daemon_is_reached(far):
    assert "Server:" in far("version")
    assert far("run", "--rm", "busybox", "echo", "hi") == "hi"


def test_a_daemon_behind_tls_is_found_before_there_is_a_front_door(over_tls):
    found = discovery.probe("here", over_tls.past_the_door)
    assert found.verdict == "answers", found.detail


def test_a_far_command_sees_the_end_of_its_input(far):
    data = os.urandom(1_000_000)
    name = far("run", "--detach", "busybox", "sleep", "600")
    for _ in range(3):
        assert far("exec", "-i", name, "cat", input=data, text=False, timeout=20) == data
    far("rm", "--force", name)
