"""What subscribers learn about the exchanges."""

from __future__ import annotations

import json
import socket
import time

import pytest

from dockyard.exceptions import EngineNotRunning
from dockyard.trace.recorder import Recorder
from tests.support.fake_daemon import HIJACKS, exchange, request, respond_ok, stream_and_wait
from tests.support.front_door import read_all


def recorder(door, lesson=None):
    return Recorder(lesson, socket_path=door.records)


def test_a_record_holds_the_request_and_its_outcome(start_door):
    _, door = start_door(respond_ok)
    with recorder(door) as seen:
        began = time.monotonic()
        exchange(door, request("GET", "/v1.41/containers/json?all=1", b"", "A: b"))
        took = (time.monotonic() - began) * 1000
        exchange(
            door,
            request("POST", "/volumes/create", b'{"Name": "v"}', "Content-Type: application/json"),
        )
    first, second = seen.exchanges
    assert (first.method, first.path, first.query) == ("GET", "/containers/json", "all=1")
    assert (first.version, first.status, first.kind) == ("1.41", 200, "plain")
    assert first.target == "/v1.41/containers/json?all=1"
    assert (first.sent, first.received, first.headers["a"]) == (0, 2, "b")
    assert 0 < first.duration_ms < took
    assert (second.body, second.sent, second.version) == ({"Name": "v"}, 13, None)
    assert second.number == first.number + 1


def test_secrets_are_not_published(start_door):
    _, door = start_door(respond_ok)
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


def test_a_long_body_is_shortened(start_door):
    _, door = start_door(respond_ok)
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


def test_a_subscriber_gets_its_lesson_and_requests_without_a_lesson(start_door):
    _, door = start_door(respond_ok)
    with recorder(door) as every, recorder(door, "08-registries") as some:
        exchange(door, request("GET", "/a", b"", "X-Dockyard-Lesson: 08-registries"))
        exchange(door, request("GET", "/b", b"", "X-Dockyard-Lesson: 04-images"))
        exchange(door, request("GET", "/c"))
        exchange(door, request("GET", "/d", b"", "X-Dockyard-Untraced: 1"))
    assert [each.path for each in every.exchanges] == ["/a", "/b", "/c"]
    assert [each.path for each in some.exchanges] == ["/a", "/c"]
    assert every.exchanges[0].lesson == "08-registries"


def test_a_record_is_complete_after_the_client_is_killed(start_door):
    _, door = start_door(stream_and_wait)
    for _ in range(20):
        with recorder(door) as seen, door.connect() as connection:
            connection.sendall(request("GET", "/events"))
            connection.recv(1000)
            connection.close()
        (only,) = seen.exchanges
        assert (only.status, only.kind) == (200, "stream")
        assert only.duration_ms is not None


def test_an_open_exchange_has_no_duration(start_door):
    _, door = start_door(stream_and_wait)
    with door.connect() as connection, recorder(door) as seen:
        connection.sendall(request("GET", "/events"))
        connection.recv(1000)
        seen.flush()
        (only,) = seen.exchanges
        assert (only.status, only.kind, only.duration_ms) == (200, "stream", None)


def test_an_upgrade_is_recorded_as_an_upgrade(start_door):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(HIJACKS[0] + b"welcome")
        await reader.readexactly(3)

    _, door = start_door(respond)
    with recorder(door) as seen, door.connect() as connection:
        connection.sendall(request("POST", "/exec/x/start") + b"abc")
        read_all(connection)
        seen.flush()
    (only,) = seen.exchanges
    assert (only.status, only.kind, only.sent, only.received) == (101, "upgrade", 3, 7)
    assert only.duration_ms is not None


def test_an_invalid_subscription_gets_an_error(door_without_engine):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(door_without_engine.records))
        connection.sendall(b"hello\n")
        assert json.loads(read_all(connection))["event"] == "error"


def test_recording_without_a_front_door_says_what_to_type(folder):
    with pytest.raises(EngineNotRunning) as caught, Recorder(socket_path=folder / "none"):
        pass
    assert "python3 -m dockyard engine start" in str(caught.value)
