"""The front door in front of a real dockerd: streams, killed clients, labels, records."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import subprocess
import tarfile

import docker as sdk
import pexpect
import pytest
from docker.errors import BuildError

from dockyard.core import docker_client as course_client
from dockyard.core import wait
from dockyard.trace import exchange_text
from dockyard.trace.recorder import Recorder
from tests.support.fake_daemon import request
from tests.support.front_door import Docker, Dockerd, Door, needs_dockerd, short_folder, unmarked

pytestmark = needs_dockerd

COURSE = {"dockyard.course": "1"}
LESSON = COURSE | {"dockyard.lesson": "08-registries"}
GIGABYTE = 1024**3


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


def test_input_is_piped_into_a_command(docker, sleeper):
    done = docker.run("exec", "-i", sleeper, "cat", input="hi\n")
    assert (done.stdout, done.returncode) == ("hi\n", 0)
    data = os.urandom(3_000_000)
    assert docker("exec", "-i", sleeper, "cat", input=data, text=False) == data


def test_stdout_stderr_and_exit_code_arrive_separately(docker):
    done = docker.run("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)


def test_a_terminal_is_attached(docker):
    child = pexpect.spawn(
        "docker", ["run", "-it", "--rm", "busybox", "sh"], env=docker.env, timeout=60
    )
    child.expect("# ")
    child.sendline("echo $((6*7)); tty")
    child.expect_exact("42\r\n/dev/pts/0")
    wait.until("the new size", lambda: _columns(child, 133) == "133", 60)
    child.sendline("exit 3")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def _columns(child, wanted):
    # Resize every time: the client misses a change before it listens for SIGWINCH.
    child.setwinsize(40, 80)
    child.setwinsize(40, wanted)
    child.sendline("stty size")
    child.expect(r"\d+ (\d+)\r\n")
    return child.match[1].decode()


def test_logs_are_followed_as_they_come(docker):
    script = "echo 1; until [ -e /go ]; do sleep 0.1; done; echo 2; echo 3"
    name = docker("run", "-d", "busybox", "sh", "-c", script)
    with docker.popen("logs", "-f", name, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout.readline() == "1\n"
        docker("exec", name, "touch", "/go")
        assert following.stdout.read() == "2\n3\n"
    docker("rm", name)


def test_events_arrive_while_they_happen(docker, client):
    events = client.events(decode=True)
    client.volumes.create("seen").remove()
    assert [next(events)["Action"] for _ in range(2)] == ["create", "destroy"]
    events.close()


class Repeated(io.RawIOBase):
    """A file that repeats one block of random bytes."""

    block = os.urandom(1024 * 1024)

    def read(self, size=-1):
        return self.block[:size]


@pytest.mark.slow
@pytest.mark.parametrize("size", [GIGABYTE // 4, pytest.param(GIGABYTE, marks=pytest.mark.faults)])
def test_much_passes_both_ways_without_growing_memory(docker, direct, door, size):
    before = door.peak_memory()
    with docker.popen(
        "import", "-", "big", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as importing:
        with tarfile.open(fileobj=importing.stdin, mode="w|") as archive:
            info = tarfile.TarInfo("big")
            info.size = size
            archive.addfile(info, Repeated())
        importing.stdin.close()
        assert importing.wait() == 0
    try:
        assert digest_of_save(docker) == digest_of_save(direct)
    finally:
        direct("rmi", "--force", "big")
    assert door.peak_memory() - before < 16 * 1024 * 1024


def digest_of_save(docker):
    """A digest of all names and contents; the times of an archive's members vary in Docker 28."""
    digest = hashlib.sha256()
    with docker.popen("save", "big", stdout=subprocess.PIPE) as saving:
        with tarfile.open(fileobj=saving.stdout, mode="r|") as archive:
            for member in archive:
                digest.update(f"{member.name} {member.size}\n".encode())
                if content := archive.extractfile(member):
                    while piece := content.read(1 << 20):
                        digest.update(piece)
        assert not saving.stdout.read().strip(b"\0")  # a tar archive ends with zeros
        assert saving.wait(60) == 0
    return digest.hexdigest()


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
        ["exec", "-i", "{sleeper}", "sh", "-c", "cat; echo EOF; exec sleep 600"],
        ["logs", "-f", "{sleeper}"],
        ["stats", "{sleeper}"],
        ["wait", "{sleeper}"],
    ],
    ids=" ".join,
)
def test_a_killed_client_leaves_no_connection_behind(docker, door, sleeper, words):
    door.until_connections(0)
    words = [word.format(sleeper=sleeper) for word in words]
    with (
        Recorder(socket_path=door.records) as seen,
        docker.popen(*words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running,
    ):
        until_streaming(seen)
        if "-i" in words:
            # The container's command has seen the end of its input.
            assert running.stdout.readline() == b"EOF\n"
        assert running.poll() is None
        assert door.connections() >= 3
        running.kill()
        # The recorder's connection.
        door.until_connections(1)


def until_streaming(recorder):
    """Wait until the daemon has begun to respond to a stream or an upgrade."""

    def streaming():
        recorder.flush()
        return any(each.kind != "plain" and each.status for each in recorder.exchanges)

    wait.until("a stream", streaming, 60)


def test_a_daemon_may_be_killed_and_restarted():
    with short_folder() as own:
        dockerd = Dockerd(own).start()
        door = Door(own, f"unix://{dockerd.socket}").start()
        client = Docker(own, door.socket)
        kept = sdk.DockerClient(base_url=f"unix://{door.socket}")
        assert kept.ping()
        with (
            Recorder(socket_path=door.records) as seen,
            client.popen("events", stderr=subprocess.PIPE, text=True) as following,
        ):
            until_streaming(seen)
            dockerd.kill()
            assert following.wait(60) != 0
        refused = client.run("ps")
        assert refused.returncode == 1
        assert "front door is not running" in refused.stderr
        assert "python3 -m dockyard engine start" in refused.stderr
        with pytest.raises(sdk.errors.APIError, match="front door is not running"):
            kept.ping()
        dockerd.start()
        assert kept.ping()
        assert client("ps", "--quiet") == ""
        kept.close()
        dockerd.stop()
        door.stop()


# Labels


def test_what_docker_creates_is_labelled(docker, direct):
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


def test_an_existing_volume_gets_no_labels(docker, direct):
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


def post(door, target, body, *headers):
    """Send a request as only a hand-written client would; return the response."""
    headers = ("Content-Type: application/json", "Connection: close", *headers)
    return door.raw(request("POST", target, body, *headers))


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1.41/volumes/cr%65ate", b'{"Name": "odd"}'),
        ("/%761.41/volumes%2Fcreate", b'{"Name": "odd"}'),
        ("http://docker/volumes/create", b'{"Name": "odd"}'),
        ("/volumes/create", b'{"Name": "even", "name": "odd"}'),
        ("/volumes/create", b'{"Name": "odd", "Labels": {"a": "1"}, "labels": {"b": "2"}}'),
        ("/volumes/create", '{"Name": "odd", "Label\u017f": {}, "Labels": {}}'.encode()),
        ("/volumes/create", b'{"Name": "odd", "DriverOpts": null, "x": "\xff"}'),
    ],
)
def test_a_volume_of_an_odd_request_is_labelled(docker, direct, door, target, body):
    assert b" 201 Created\r\n" in post(door, target, body)
    found = unmarked(labels(docker, "odd", "volume"))
    direct("volume", "rm", "odd")
    assert found.items() >= COURSE.items()
    assert found.keys() - COURSE.keys() == ({"a", "b"} if b'"a"' in body else set())


@pytest.mark.parametrize(
    "body",
    [b'{"Name": "odd"} }', b'{"Name": "odd"} {}', b'{"Name": "odd"', b'{"Name": "odd", "x": NaN}'],
)
def test_a_request_that_is_not_json_creates_nothing(direct, door, body):
    assert post(door, "/volumes/create", body).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert direct("volume", "ls", "--quiet", "--filter", "name=odd") == ""


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
        with Recorder("08-registries", socket_path=door.records) as seen:
            docker("run", "--rm", "busybox", "true")
        assert [
            (each.method, exchange_text.path(each), each.status, each.kind)
            for each in seen.exchanges
        ] == expected
        assert all(each.duration_ms is not None for each in seen.exchanges)
        assert seen.exchanges[1].body["Image"] == "busybox"
