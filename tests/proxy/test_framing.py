"""The front door before a small HTTP server of ours: what it passes on, byte for byte."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from dockyard.exceptions import EngineNotRunning
from dockyard.proxy import labelling
from dockyard.trace.recorder import Recorder
from tests.support.front_door import Door, read_all, short_folder, unmarked

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Upstream:
    """A server on a UNIX socket that answers as told and keeps what it was sent.

    answer gets the connection's reader and writer for every connection.
    """

    def __init__(self, path, answer):
        self.path = path
        self.got = bytearray()
        self.closed = threading.Event()
        self.half_closed = threading.Event()
        self._answer = answer
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc_info):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def let_go_on(self):
        self._loop.call_soon_threadsafe(self.turn.release)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._stop = asyncio.Event()
        self.turn = asyncio.Semaphore(0)
        self._tasks = set()
        server = await asyncio.start_unix_server(self._connection, str(self.path))
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            await self._answer(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.closed.set()

    async def head(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        self.got += head
        return head

    async def body(self, reader, head):
        length = int(head.lower().partition(b"content-length:")[2].split()[0] or 0)
        body = await reader.readexactly(length)
        self.got += body
        return body


async def answer_ok(upstream, reader, writer):
    """Reads requests with a Content-Length, or none, and says ok."""
    while True:
        head = await upstream.head(reader)
        if b"content-length:" in head.lower():
            await upstream.body(reader, head)
        writer.write(OK)
        await writer.drain()


@pytest.fixture
def folder():
    with short_folder() as made:
        yield made


@pytest.fixture
def behind(folder):
    """Starts the front door before an upstream with the given answer."""
    opened = []

    def start(answer):
        upstream = Upstream(folder / "engine.sock", answer).__enter__()
        door = Door(folder, f"unix://{upstream.path}").start()
        opened.append((upstream, door))
        return upstream, door

    yield start
    for upstream, door in opened:
        door.stop()
        upstream.__exit__()


def request(method, target, body=b"", *headers):
    lines = [f"{method} {target} HTTP/1.1", "Host: docker", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchange(door, raw):
    """Send one request and read the short answer."""
    with door.connect() as connection:
        connection.sendall(raw)
        return connection.recv(65536)


def sent_json(upstream):
    head, _, body = bytes(upstream.got).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return json.loads(body)


def test_a_request_passes_unchanged(behind):
    upstream, door = behind(answer_ok)
    raw = request("GET", "/v1.41/info?x=%20y", b"", "X-oDD-Case:  kept  ", "Accept: */*")
    assert exchange(door, raw) == OK
    assert bytes(upstream.got) == raw


def test_the_lesson_header_is_removed_and_nothing_else(behind):
    upstream, door = behind(answer_ok)
    exchange(door, request("GET", "/info", b"", "X-Dockyard-Lesson: 05-registries", "A: b"))
    assert bytes(upstream.got) == request("GET", "/info", b"", "A: b")


@pytest.mark.parametrize("target", ["/containers/create", "/v1.41/networks/create?x=1"])
def test_what_is_created_gets_the_labels(behind, target):
    upstream, door = behind(answer_ok)
    body = b'{"Image": "busybox", "Labels": {"mine": "1"}}'
    exchange(door, request("POST", target, body, "x-dockyard-lesson: 05-registries"))
    sent = sent_json(upstream)
    added = {"dockyard.course": "1", "dockyard.lesson": "05-registries"}
    assert unmarked(sent.pop("Labels")) == {"mine": "1"} | added
    assert sent == {"Image": "busybox"}


def test_a_body_in_chunks_gets_the_labels(behind):
    upstream, door = behind(answer_ok)
    chunks = b'5\r\n{"Nam\r\n9;ext=1\r\ne": "net"\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n'
    raw = request("POST", "/networks/create", b"", "Transfer-Encoding: chunked") + chunks
    for cut in (len(raw) - 3, len(raw) - len(chunks) + 4, 30):
        upstream.got.clear()
        with door.connect() as connection:
            connection.sendall(raw[:cut])
            time.sleep(0.05)
            connection.sendall(raw[cut:])
            assert connection.recv(1000) == OK
        sent = sent_json(upstream)
        assert unmarked(sent.pop("Labels")) == {"dockyard.course": "1"}
        assert sent == {"Name": "net"}


def test_go_ignores_the_case_of_keys_and_so_do_the_labels():
    body = labelling.label_body(b"/volumes/create", b'{"name": "v", "labels": null}', None)
    made = json.loads(body)
    assert unmarked(made.pop("labels")) == {"dockyard.course": "1"}
    assert made == {"name": "v"}


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[1]", b'{"a": NaN}', b"\xff\xfe", b'{"Labels": "text"}', b"[" * 9999],
)
def test_what_is_no_json_object_passes_untouched(behind, body):
    upstream, door = behind(answer_ok)
    raw = request("POST", "/containers/create", body)
    assert exchange(door, raw) == OK
    assert bytes(upstream.got) == raw


def test_a_service_and_its_containers_get_the_labels():
    spec = {
        "Name": "web",
        "TaskTemplate": {
            "ContainerSpec": {"Image": "httpd", "Mounts": [{"Type": "volume", "Source": "v"}]}
        },
    }
    labelled = labelling.label_body(
        b"/v1.41/services/create", json.dumps(spec).encode(), "13-swarm"
    )
    added = {"dockyard.course": "1", "dockyard.lesson": "13-swarm"}
    container = json.loads(labelled)["TaskTemplate"]["ContainerSpec"]
    for each in (json.loads(labelled), container, container["Mounts"][0]["VolumeOptions"]):
        assert unmarked(each["Labels"]) == added


def test_a_build_gets_the_labels_in_its_query(behind):
    upstream, door = behind(answer_ok)
    target = "/v1.41/build?t=web&labels=%7B%22mine%22%3A%22ü%22%7D&q=1".replace("ü", "%C3%BC")
    exchange(door, request("POST", target, b"tar", "X-Dockyard-Lesson: 06"))
    first = bytes(upstream.got).split(b"\r\n")[0]
    path, _, query = first.split()[1].partition(b"?")
    assert path == b"/v1.41/build"
    assert query.startswith(b"t=web&q=1&forcerm=1&labels=")
    assert json.loads(labelling.unquote_plus(query.rpartition(b"=")[2].decode())) == {
        "mine": "ü",
        "dockyard.course": "1",
        "dockyard.lesson": "06",
    }


def test_a_client_that_expects_100_gets_it_before_a_body_is_labelled(behind):
    upstream, door = behind(answer_ok)
    body = b'{"Name": "v"}'
    raw = request("POST", "/volumes/create", body, "Expect: 100-continue")
    with door.connect() as connection:
        connection.sendall(raw.removesuffix(body))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1000) == OK
    assert b"Expect" not in upstream.got
    assert unmarked(sent_json(upstream)["Labels"]) == {"dockyard.course": "1"}


def test_the_daemons_own_100_passes(behind):
    async def answer(upstream, reader, writer):
        head = await upstream.head(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await upstream.body(reader, head)
        writer.write(OK)

    upstream, door = behind(answer)
    raw = request("PUT", "/containers/x/archive", b"tar", "Expect: 100-continue")
    with door.connect() as connection:
        connection.sendall(raw[:-3])
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(raw[-3:])
        assert read_all(connection) == OK
    assert bytes(upstream.got) == raw


def test_a_connection_is_kept_for_many_requests(behind):
    connections = []

    async def answer(upstream, reader, writer):
        connections.append(writer)
        await answer_ok(upstream, reader, writer)

    _, door = behind(answer)
    with door.connect() as connection:
        for _ in range(50):
            connection.sendall(request("GET", "/_ping"))
            assert connection.recv(1000) == OK
    assert len(connections) == 1


def test_requests_sent_all_at_once_are_answered_in_order(behind):
    async def answer(upstream, reader, writer):
        while True:
            body = (await upstream.head(reader)).split()[1] + b"\n"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    _, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(b"".join(request("GET", f"/{number}") for number in range(100)))
        connection.shutdown(socket.SHUT_WR)
        answers = read_all(connection).splitlines()
    numbers = [line for line in answers if line.startswith(b"/")]
    assert numbers == [f"/{number}".encode() for number in range(100)]


def test_chunks_reach_the_client_as_they_come(behind):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            writer.write(b"1\r\n%d\r\n" % number)
            await upstream.turn.acquire()
        writer.write(b"0\r\n\r\n")
        await answer_ok(upstream, reader, writer)

    upstream, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(request("GET", "/events"))
        seen = b""
        for number in range(3):
            while not seen.endswith(b"1\r\n%d\r\n" % number):
                seen += connection.recv(1000)
            upstream.let_go_on()
        assert connection.recv(1000) == b"0\r\n\r\n"
        connection.sendall(request("GET", "/after"))
        assert connection.recv(1000) == OK


@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_ends_with_its_head(behind, status):
    head = b"HTTP/1.1 %s\r\nContent-Length: 99\r\n\r\n" % status

    async def answer(upstream, reader, writer):
        while True:
            await upstream.head(reader)
            writer.write(head)

    _, door = behind(answer)
    with door.connect() as connection:
        for _ in range(2):
            connection.sendall(request("HEAD", "/_ping"))
            assert connection.recv(1000) == head


def test_an_answer_may_end_with_the_connection(behind):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    _, door = behind(answer)
    assert door.raw(b"GET / HTTP/1.0\r\n\r\n") == b"HTTP/1.0 200 OK\r\n\r\nall of it"


HIJACKS = [
    b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n",
]


@pytest.mark.parametrize("hijack", HIJACKS, ids=["101", "200"])
def test_after_an_upgrade_bytes_pass_both_ways_and_each_side_may_stop_first(behind, hijack):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(hijack + b"welcome")
        told = await reader.read()
        writer.write(b"you said " + told)

    _, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(request("POST", "/containers/x/attach?stdin=1"))
        seen = b""
        while not seen.endswith(b"welcome"):
            seen += connection.recv(1000)
        connection.sendall(b"\x00GET / HTTP/1.1\r\n\r\n\xff")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"you said \x00GET / HTTP/1.1\r\n\r\n\xff"


def test_the_client_may_go_on_after_the_daemon_has_stopped(behind):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(HIJACKS[0])
        writer.write_eof()
        upstream.got[:] = await reader.read()

    upstream, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(request("POST", "/session", b"", "Upgrade: h2c"))
        assert read_all(connection) == HIJACKS[0]
        connection.sendall(b"still here")
    assert upstream.closed.wait(5)
    assert upstream.got == b"still here"


async def answer_and_wait(upstream, reader, writer):
    """Answers with an event stream in which nothing happens, until the client goes."""
    await upstream.head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n")
    await reader.read()


async def hijack_and_wait(upstream, reader, writer):
    """Upgrades, and does not mind that the client's input has ended."""
    await upstream.head(reader)
    writer.write(HIJACKS[0] + b".")
    await reader.read()
    upstream.half_closed.set()
    transport = writer.transport
    while not transport.is_closing():
        await asyncio.sleep(0.02)
        transport.write(b"")


def test_a_client_that_is_killed_takes_its_connection_to_the_daemon_along(behind):
    upstream, door = behind(answer_and_wait)
    with door.connect() as connection:
        connection.sendall(request("GET", "/events"))
        connection.recv(1000)
        assert not upstream.closed.wait(0.2)
    began = time.monotonic()
    assert upstream.closed.wait(5)
    assert time.monotonic() - began < 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a hang-up from a half-close")
def test_a_client_that_is_killed_after_the_end_of_its_input_is_noticed_too(behind):
    upstream, door = behind(hijack_and_wait)
    with door.connect() as connection:
        connection.sendall(request("POST", "/exec/x/start"))
        connection.recv(1000)
        connection.shutdown(socket.SHUT_WR)
        assert upstream.half_closed.wait(5)
        assert door.connections() == 2
    door.until_connections(0, timeout=1)


def test_a_client_that_is_killed_in_the_middle_of_a_body(behind):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        upstream.got[:] = await reader.read()

    upstream, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(request("POST", "/build", b"x" * 1000)[:-500])
    assert upstream.closed.wait(5)
    assert upstream.got == b"x" * 500


def test_a_request_whose_client_does_not_wait_is_still_sent(behind):
    upstream, door = behind(answer_ok)
    with door.connect() as connection:
        connection.sendall(request("POST", "/containers/x/kill", b"{}"))
    assert upstream.closed.wait(5)
    assert upstream.got.endswith(b"{}")


@pytest.mark.parametrize(
    "part", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_a_daemon_that_dies_in_the_middle_of_an_answer(behind, part):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(part)

    _, door = behind(answer)
    assert door.raw(request("GET", "/info")) == part


def test_a_connection_that_the_daemon_drops_is_dropped_for_the_client(behind):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(OK)

    _, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(request("GET", "/info"))
        assert read_all(connection) == OK


def test_a_daemon_that_answers_before_it_has_read_the_body(behind):
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"

    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(refusal)
        await writer.drain()

    _, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(request("POST", "/build", b"x" * 100)[:-50])
        assert read_all(connection) == refusal


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /no-version\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: d\r\nX: " + b"x" * 2_000_000,
        b"POST /containers/create HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["tls", "http2", "no version", "no colon", "long head", "no chunk"],
)
def test_the_daemon_has_the_last_word_on_what_is_not_http(behind, raw):
    async def answer(upstream, reader, writer):
        upstream.got[:] = await reader.read()
        writer.write(b"400 from the daemon")

    upstream, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"400 from the daemon"
    assert bytes(upstream.got) == raw


def test_what_a_slow_client_does_not_read_stays_with_the_daemon(behind):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        with suppress(TimeoutError):
            while True:
                writer.write(b"x" * 65536)
                upstream.got += b"x" * 65536
                async with asyncio.timeout(1):
                    await writer.drain()
        upstream.half_closed.set()

    upstream, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(request("GET", "/images/x/get"))
        assert upstream.half_closed.wait(10)
        assert len(upstream.got) < 4 * 1024 * 1024


def test_what_a_busy_daemon_does_not_read_stays_with_the_client(behind):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        await upstream.turn.acquire()

    _, door = behind(answer)
    with door.connect() as connection:
        connection.sendall(request("POST", "/build", b"", "Content-Length: 999999999"))
        connection.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 20_000_000:
                sent += connection.send(b"x" * 65536)
        assert sent < 4 * 1024 * 1024


# The engine is away


@pytest.fixture
def lonely(folder):
    door = Door(folder, f"unix://{folder}/engine.sock").start()
    yield door
    door.stop()


def test_without_an_engine_the_answer_says_what_to_type(lonely):
    head, _, body = lonely.raw(request("GET", "/v1.41/containers/json")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    message = json.loads(body)["message"]
    assert "engine behind the course's front door is not running" in message
    assert "python3 -m dockyard engine start" in message


def test_without_an_engine_head_and_a_long_body_are_answered_too(lonely):
    assert lonely.raw(request("HEAD", "/_ping")).endswith(b"\r\n\r\n")
    answer = lonely.raw(request("POST", "/build", b"x" * 5_000_000))
    assert answer.startswith(b"HTTP/1.1 503 ")


def test_the_next_connection_finds_an_engine_that_came_back(lonely, folder):
    assert lonely.raw(request("GET", "/info")).startswith(b"HTTP/1.1 503 ")
    with Upstream(folder / "engine.sock", answer_ok):
        assert exchange(lonely, request("GET", "/info")) == OK


# The sockets


def test_only_the_owner_may_connect(lonely):
    for path in (lonely.socket, lonely.records):
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
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


def test_a_socket_on_which_somebody_answers_is_left_alone(lonely, folder):
    second = run_door(folder, "--upstream", "unix:///nowhere")
    assert second.returncode == 1
    assert "already listens" in second.stderr
    assert "python3 -m dockyard engine status" in second.stderr
    assert lonely.raw(request("GET", "/info")).startswith(b"HTTP/1.1 503 ")


def test_a_file_in_the_place_of_the_socket_is_left_alone(folder):
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
def test_an_address_that_is_none(folder, options):
    done = run_door(folder, *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("answer", [answer_ok, answer_and_wait])
def test_it_ends_at_once_whoever_is_connected(folder, answer):
    with Upstream(folder / "engine.sock", answer) as upstream:
        door = Door(folder, f"unix://{upstream.path}").start()
        with door.connect() as connection:
            connection.sendall(request("GET", "/info"))
            connection.recv(1000)
            began = time.monotonic()
            door.stop()
            assert time.monotonic() - began < 2
            assert connection.recv(1000) == b""


# Records


def recorder(door, lesson=None):
    return Recorder(lesson, socket_path=door.records)


def test_a_record_tells_what_was_asked_and_what_came_of_it(behind):
    _, door = behind(answer_ok)
    with recorder(door) as seen:
        exchange(door, request("GET", "/v1.41/containers/json?all=1", b"", "A: b"))
        exchange(
            door,
            request("POST", "/volumes/create", b'{"Name": "v"}', "Content-Type: application/json"),
        )
    first, second = seen.exchanges
    assert (first.method, first.path, first.query) == ("GET", "/containers/json", "all=1")
    assert (first.version, first.status, first.kind) == ("1.41", 200, "plain")
    assert first.target == "/v1.41/containers/json?all=1"
    assert (first.sent, first.received, first.headers["a"]) == (0, 2, "b")
    assert 0 < first.duration_ms < 1000
    assert (second.body, second.sent, second.version) == ({"Name": "v"}, 13, None)
    assert second.number == first.number + 1


def test_secrets_are_not_told(behind):
    _, door = behind(answer_ok)
    json_type = "Content-Type: application/json"
    with recorder(door) as seen:
        exchange(door, request("POST", "/images/x/push", b"", "X-Registry-Auth: c2VjcmV0"))
        login = b'{"username": "me", "password": "c2VjcmV0"}'
        exchange(door, request("POST", "/v1.41/auth", login, json_type))
        exchange(door, request("POST", "/secrets/create", b'{"Data": "c2VjcmV0"}', json_type))
        exchange(door, request("POST", "/swarm/join", b'{"JoinToken": "c2VjcmV0"}', json_type))
    assert "c2VjcmV0" not in repr(seen.exchanges)
    assert seen.exchanges[0].headers["x-registry-auth"] == "…"
    assert seen.exchanges[1].body == {"username": "me", "password": "…"}


def test_a_long_body_is_folded(behind):
    _, door = behind(answer_ok)
    many = {"Image": "x", "Empty": {}, "Off": False, "Null": [None] * 2000}
    long = {"Text": "x" * 20_000}
    with recorder(door) as seen:
        for document in (many, long):
            body = json.dumps(document).encode()
            exchange(
                door, request("POST", "/containers/create", body, "Content-Type: application/json")
            )
    assert seen.exchanges[0].body["Image"] == "x"
    assert "Empty" not in seen.exchanges[0].body
    assert seen.exchanges[0].body["Off"] is False
    assert seen.exchanges[1].body.endswith("x…")
    assert all(len(json.dumps(each.body)) < 4200 for each in seen.exchanges)


def test_a_subscriber_gets_its_lesson_and_what_belongs_to_none(behind):
    _, door = behind(answer_ok)
    with recorder(door) as every, recorder(door, "05-registries") as some:
        exchange(door, request("GET", "/a", b"", "X-Dockyard-Lesson: 05-registries"))
        exchange(door, request("GET", "/b", b"", "X-Dockyard-Lesson: 06-images"))
        exchange(door, request("GET", "/c"))
        exchange(door, request("GET", "/d", b"", "X-Dockyard-Untraced: 1"))
    assert [each.path for each in every.exchanges] == ["/a", "/b", "/c"]
    assert [each.path for each in some.exchanges] == ["/a", "/c"]
    assert every.exchanges[0].lesson == "05-registries"


def test_a_record_is_complete_when_the_client_was_killed(behind):
    _, door = behind(answer_and_wait)
    for _ in range(20):
        with recorder(door) as seen, door.connect() as connection:
            connection.sendall(request("GET", "/events"))
            connection.recv(1000)
            connection.close()
        (only,) = seen.exchanges
        assert (only.status, only.kind) == (200, "stream")
        assert only.duration_ms is not None


def test_an_exchange_that_goes_on_has_no_duration_yet(behind):
    _, door = behind(answer_and_wait)
    with door.connect() as connection, recorder(door) as seen:
        connection.sendall(request("GET", "/events"))
        connection.recv(1000)
        seen.flush()
        (only,) = seen.exchanges
        assert (only.status, only.kind, only.duration_ms) == (200, "stream", None)


def test_an_upgrade_is_recorded_as_one(behind):
    async def answer(upstream, reader, writer):
        await upstream.head(reader)
        writer.write(HIJACKS[0] + b"welcome")
        await reader.readexactly(3)

    _, door = behind(answer)
    with recorder(door) as seen, door.connect() as connection:
        connection.sendall(request("POST", "/exec/x/start") + b"abc")
        read_all(connection)
        seen.flush()
    (only,) = seen.exchanges
    assert (only.status, only.kind, only.sent, only.received) == (101, "upgrade", 3, 7)
    assert only.duration_ms is not None


def test_a_subscriber_that_talks_nonsense_is_told(lonely):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(lonely.records))
        connection.sendall(b"hello\n")
        assert json.loads(read_all(connection))["event"] == "error"


def test_recording_without_a_front_door_says_what_to_type(folder):
    with pytest.raises(EngineNotRunning) as caught, Recorder(socket_path=folder / "none"):
        pass
    assert "python3 -m dockyard engine start" in str(caught.value)


# The relay


def test_the_relay_passes_bytes_and_half_closes(folder):
    with socket.create_server(("127.0.0.1", 0)) as target, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = free.getsockname()
        free.close()
        words = "{}:{}={}:{}".format(*listen, *target.getsockname())
        door = Door(folder, "unix:///nowhere", "--forward", words).start()
        with socket.create_connection(listen, timeout=10) as connection:
            served, _ = target.accept()
            with served:
                data = os.urandom(3_000_000)
                sender = threading.Thread(target=connection.sendall, args=(data,))
                sender.start()
                got = b""
                while len(got) < len(data):
                    got += served.recv(65536)
                sender.join()
                assert got == data
                connection.shutdown(socket.SHUT_WR)
                assert served.recv(10) == b""
                served.sendall(b"answer after the end")
            assert read_all(connection) == b"answer after the end"
        door.stop()
