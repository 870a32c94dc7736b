"""The front door under requests that no client would send, in front of a real daemon.

It stays alive and small, and nothing that is created through it is without the mark of this home.
"""

import json
import resource
import socket
import time
from collections import Counter
from contextlib import closing, suppress

import docker
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockyard import cleanup, course
from dockyard.core import home_mark, labels
from tests.support.front_door import Door, read_all, short_folder

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LESSON = "faults-fuzz"
MEMORY = 200 * 1024 * 1024
FUZZ = settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LONG_FUZZ = settings(FUZZ, max_examples=1000)


@pytest.fixture(scope="module")
def past():
    """The daemon's own client, past the front door."""
    state = course.State.load()
    assert state
    with closing(docker.DockerClient(base_url=state.endpoint["address"])) as client:
        yield client


@pytest.fixture(scope="module")
def door(past):
    with short_folder() as folder:
        opened = Door(folder, course.State.load().endpoint["address"]).start()
        yield opened
        cleanup.remove(past, lesson=LESSON)
        opened.process.terminate()
        assert opened.process.wait(60) == 0


@pytest.fixture(autouse=True)
def afterwards(door, past):
    """After each test it is alive and small, and still labels what is really created."""
    before = {each.name for each in past.volumes.list()}
    yield
    made = f"faults-after-{time.monotonic_ns()}"
    body = json.dumps({"Image": "busybox", "Cmd": ["true"]})
    answer = door.raw(request("POST", f"/containers/create?name={made}", body))
    assert b" 201 Created" in answer
    assert home_mark.is_ours(past.containers.get(made).labels[labels.HOME])
    unmarked = [
        each.name
        for each in past.volumes.list()
        if each.name not in before
        and not home_mark.is_ours((each.attrs["Labels"] or {}).get(labels.HOME, ""))
    ]
    assert unmarked == []
    cleanup.remove(past, lesson=LESSON)
    assert door.peak_memory() < MEMORY
    assert "Traceback" not in door.log.read_text(), door.log.read_text()


def request(method, target, body="", *headers):
    raw = body if isinstance(body, bytes) else body.encode()
    lines = [
        f"{method} {target} HTTP/1.1", "Host: docker", "Connection: close",
        f"{labels.LESSON_HEADER}: {LESSON}", "Content-Type: application/json",
        f"Content-Length: {len(raw)}", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + raw


def send(door, pieces, timeout=10):
    """Send pieces as they are, stop sending, and read to the end; return what came."""
    with door.connect() as connection:
        connection.settimeout(timeout)
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            return read_all(connection)
        return b""


@st.composite
def split(draw, content):
    """Bytes in pieces."""
    found = draw(content)
    cuts = sorted(draw(st.lists(st.integers(0, len(found)), max_size=8)))
    return [found[a:b] for a, b in zip([0, *cuts], [*cuts, len(found)], strict=True)]


NAMES = st.integers(0, 10**9).map("faults-fuzz-{}".format)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just({}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(["Labels", "labels", "Label\u017f", "LABELS", "DriverOpts", "x", "Driver"])


@st.composite
def bodies(draw):
    """What describes a volume, more or less, with keys given more than once."""
    members = [f'"Name": "{draw(NAMES)}"']
    for _ in range(draw(st.integers(0, 4))):
        value = draw(JSON | st.just({"a": "1"}))
        members.append(f"{json.dumps(draw(KEYS))}: {json.dumps(value)}")
    text = "{" + ", ".join(draw(st.permutations(members))) + "}"
    text += draw(
        st.sampled_from(["", "", " ", "{}", "]", "\n\n", '{"Name": "faults-fuzz-x"}', "\0"])
    )
    raw = text.encode()
    if draw(st.booleans()):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=3)) + raw[at:]
    return raw


TARGETS = st.sampled_from(
    [
        "/volumes/create", "/v1.41/volumes/create", "/volumes/cr%65ate", "/volumes%2Fcreate",
        "/volumes//create", "/./volumes/create", "/volumes/create/", "/v1.41//volumes/create",
        "/%76olumes/create?x=%zz", "http://docker/volumes/create", "//volumes/create",
        "/volumes/create;x", "/v1.41/../volumes/create", "/VOLUMES/create", "/volumes/%63reate#x",
    ]
)  # fmt: skip
HEADERS = st.lists(
    st.sampled_from(
        ["Transfer-Encoding: chunked", "Content-Length: 1", "Content-Length: 0", "Expect: x",
         "Expect: 100-continue", "Transfer-Encoding: identity", "Connection: upgrade", "X: \xff",
         "Upgrade: tcp", " folded", "Content-Encoding: gzip", "Transfer-Encoding : chunked"]
    ),
    max_size=2,
)  # fmt: skip
REQUESTS = st.builds(
    lambda method, target, body, headers: request(method, target, body, *headers),
    st.sampled_from(["POST", "POST", "post", "PUT", "POST "]), TARGETS, bodies(), HEADERS,
)  # fmt: skip


@pytest.mark.parametrize(
    "how", [FUZZ, pytest.param(LONG_FUZZ, marks=pytest.mark.faults)], ids=["40", "1000"]
)
def test_whatever_creates_a_volume_is_marked(door, how):
    answers = Counter()

    @how
    @given(split(REQUESTS))
    def one(pieces):
        answers[send(door, pieces)[9:12]] += 1

    one()
    assert answers[b"201"], "volumes were really created"
    assert answers[b"400"], "requests were really refused"


CHUNKS = st.lists(
    st.tuples(
        st.sampled_from(["0", "1", "5", "ffffffff", "-1", "0x5", "5;x=1", " 5", "5 ", "", "zz"]),
        st.binary(max_size=6),
        st.sampled_from([b"\r\n", b"\n", b""]),
    ).map(lambda part: part[0].encode() + b"\r\n" + part[1] + part[2]),
    max_size=5,
).map(b"".join)
CHUNKED = CHUNKS.map(
    lambda body: (
        b"POST /volumes/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + body
    )
)


@FUZZ
@given(split(CHUNKED | st.binary(max_size=200) | st.binary(max_size=60).map(lambda b: b"GET " + b)))
def test_malformed_chunks_and_what_is_not_http_end(door, pieces):
    send(door, pieces)


SMUGGLED = b"POST /volumes/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
SMUGGLED += b'Content-Length: 26\r\n\r\n{"Name": "faults-smuggled"}'


@pytest.mark.parametrize(
    "first",
    [
        b"POST /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"GET /_ping HTTP/1.1\nHost: d\nContent-Length: +0\n\n",
        b"GET /_ping HTTP/1.0\r\nHost: d\r\nConnection: keep-alive\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: d\r\n\r\n",
    ],
)  # fmt: skip
def test_a_smuggled_request_is_marked_or_refused(door, past, first):
    before = [each.name for each in past.volumes.list()]
    assert "faults-smuggled" not in before
    send(door, [first + SMUGGLED])
    for each in past.volumes.list():
        if each.name == "faults-smuggled":
            mark = (each.attrs["Labels"] or {}).get(labels.HOME, "")
            each.remove()
            assert home_mark.is_ours(mark)


@pytest.mark.parametrize("part", [b"X: " + b"a" * 1000 + b"\r\n", b"a" * 1000], ids=["many", "one"])
def test_a_head_of_100_megabytes_is_not_kept(door, part):
    with door.connect() as connection, suppress(OSError):
        connection.sendall(b"POST /volumes/create HTTP/1.1\r\nHost: d\r\nY: ")
        for _ in range(100_000):
            connection.sendall(part)
    assert door.peak_memory() < MEMORY


def test_clients_that_never_read_hold_up_nobody(door):
    silent = []
    try:
        for _ in range(50):
            connection = door.connect()
            connection.setblocking(False)
            with suppress(BlockingIOError):
                for _ in range(2000):
                    connection.send(b"GET /v1.41/info HTTP/1.1\r\nHost: d\r\n\r\n")
            silent.append(connection)
        began = time.monotonic()
        assert b"200 OK" in send(door, [request("GET", "/_ping")], timeout=60)
        assert time.monotonic() - began < 60
    finally:
        for connection in silent:
            connection.close()


def test_a_thousand_connections_at_once(door):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    waiting = []
    try:
        for _ in range(1000):
            waiting.append(door.connect())
            waiting[-1].sendall(b"GET /_ping HT")
        assert b"200 OK" in send(door, [request("GET", "/_ping")], timeout=60)
    finally:
        for connection in waiting:
            connection.close()
    door.until_connections(0)


def test_half_closed_streams_end(door):
    with door.connect() as connection:
        connection.sendall(b"GET /events?until=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert b"200 OK" in read_all(connection)
    door.until_connections(0)
