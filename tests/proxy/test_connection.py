"""Connections through the front door to a fake daemon: framing, upgrades, end of file, refusals."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import suppress

import pytest

from tests.support.fake_daemon import (
    HIJACKS,
    OK,
    FakeDaemon,
    exchange,
    hijack_and_wait,
    refused,
    request,
    respond_ok,
    stream_and_wait,
)
from tests.support.front_door import read_all


def test_a_request_passes_unchanged(start_door):
    daemon, door = start_door(respond_ok)
    raw = request("GET", "/v1.41/info?x=%20y", b"", "X-oDD-Case:  kept  ", "Accept: */*")
    assert exchange(door, raw) == OK
    assert bytes(daemon.got) == raw


def test_the_daemons_100_continue_is_passed_on(start_door):
    async def respond(daemon, reader, writer):
        head = await daemon.head(reader)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await daemon.body(reader, head)
        writer.write(OK)

    daemon, door = start_door(respond)
    raw = request("PUT", "/containers/x/archive", b"tar", "Expect: 100-continue")
    with door.connect() as connection:
        connection.sendall(raw[:-3])
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(raw[-3:])
        assert read_all(connection) == OK
    assert bytes(daemon.got) == raw


def test_a_connection_is_kept_alive_for_many_requests(start_door):
    connections = []

    async def respond(daemon, reader, writer):
        connections.append(writer)
        await respond_ok(daemon, reader, writer)

    _, door = start_door(respond)
    with door.connect() as connection:
        for _ in range(50):
            connection.sendall(request("GET", "/_ping"))
            assert connection.recv(1000) == OK
    assert len(connections) == 1


def test_pipelined_requests_are_answered_in_order(start_door):
    async def respond(daemon, reader, writer):
        while True:
            body = (await daemon.head(reader)).split()[1] + b"\n"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    _, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(b"".join(request("GET", f"/{number}") for number in range(100)))
        connection.shutdown(socket.SHUT_WR)
        answers = read_all(connection).splitlines()
    numbers = [line for line in answers if line.startswith(b"/")]
    assert numbers == [f"/{number}".encode() for number in range(100)]


def test_chunks_reach_the_client_as_they_arrive(start_door):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            writer.write(b"1\r\n%d\r\n" % number)
            await daemon.turn.acquire()
        writer.write(b"0\r\n\r\n")
        await respond_ok(daemon, reader, writer)

    daemon, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(request("GET", "/events"))
        seen = b""
        for number in range(3):
            while not seen.endswith(b"1\r\n%d\r\n" % number):
                seen += connection.recv(1000)
            daemon.let_continue()
        assert connection.recv(1000) == b"0\r\n\r\n"
        connection.sendall(request("GET", "/after"))
        assert connection.recv(1000) == OK


@pytest.mark.parametrize("status", [b"200 OK", b"204 No Content", b"304 Not Modified"])
def test_a_response_without_a_body_ends_with_its_head(start_door, status):
    head = b"HTTP/1.1 %s\r\nContent-Length: 99\r\n\r\n" % status

    async def respond(daemon, reader, writer):
        while True:
            await daemon.head(reader)
            writer.write(head)

    _, door = start_door(respond)
    with door.connect() as connection:
        for _ in range(2):
            connection.sendall(request("HEAD", "/_ping"))
            assert connection.recv(1000) == head


def test_a_response_may_end_with_the_connection(start_door):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    _, door = start_door(respond)
    assert door.raw(b"GET / HTTP/1.0\r\n\r\n") == b"HTTP/1.0 200 OK\r\n\r\nall of it"


@pytest.mark.parametrize("hijack", HIJACKS, ids=["101", "200"])
def test_after_an_upgrade_bytes_pass_both_ways_until_the_client_stops(start_door, hijack):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(hijack + b"welcome")
        told = await reader.read()
        writer.write(b"you said " + told)

    _, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(request("POST", "/containers/x/attach?stdin=1"))
        seen = b""
        while not seen.endswith(b"welcome"):
            seen += connection.recv(1000)
        connection.sendall(b"\x00GET / HTTP/1.1\r\n\r\n\xff")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"you said \x00GET / HTTP/1.1\r\n\r\n\xff"


def test_the_client_may_send_after_the_daemon_has_stopped(start_door):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(HIJACKS[0])
        writer.write_eof()
        daemon.got[:] = await reader.read()

    daemon, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(request("POST", "/session", b"", "Upgrade: h2c"))
        assert read_all(connection) == HIJACKS[0]
        connection.sendall(b"still here")
    assert daemon.closed.wait(60)
    assert daemon.got == b"still here"


def test_a_killed_client_also_loses_its_connection_to_the_daemon(start_door):
    daemon, door = start_door(stream_and_wait)
    with door.connect() as connection:
        connection.sendall(request("GET", "/events"))
        connection.recv(1000)
        assert door.connections() == 2
        assert not daemon.closed.is_set()
    assert daemon.closed.wait(60)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a hang-up from a half-close")
def test_a_client_killed_after_the_end_of_its_input_is_noticed(start_door):
    daemon, door = start_door(hijack_and_wait)
    with door.connect() as connection:
        connection.sendall(request("POST", "/exec/x/start"))
        connection.recv(1000)
        connection.shutdown(socket.SHUT_WR)
        assert daemon.half_closed.wait(60)
        assert door.connections() == 2
    door.until_connections(0)


def test_a_client_killed_in_the_middle_of_a_body_ends_the_request(start_door):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        daemon.got[:] = await reader.read()

    daemon, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(request("POST", "/build", b"x" * 1000)[:-500])
    assert daemon.closed.wait(60)
    assert daemon.got == b"x" * 500


def test_a_request_is_sent_even_if_its_client_does_not_wait(start_door):
    daemon, door = start_door(respond_ok)
    with door.connect() as connection:
        connection.sendall(request("POST", "/containers/x/kill", b"{}"))
    assert daemon.closed.wait(60)
    assert daemon.got.endswith(b"{}")


@pytest.mark.parametrize(
    "part", [b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_a_response_that_the_daemon_breaks_off_ends_for_the_client(start_door, part):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(part)

    _, door = start_door(respond)
    assert door.raw(request("GET", "/info")) == part


def test_a_connection_that_the_daemon_closes_is_closed_for_the_client(start_door):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(OK)

    _, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(request("GET", "/info"))
        assert read_all(connection) == OK


def test_a_response_may_come_before_the_end_of_the_body(start_door):
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"

    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(refusal)
        await writer.drain()

    _, door = start_door(respond)
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
        b"POST /images/load HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["TLS", "HTTP/2", "no version", "no colon", "long head", "no chunk"],
)
def test_bytes_that_are_not_http_are_passed_on(start_door, raw):
    async def respond(daemon, reader, writer):
        daemon.got[:] = await reader.read()
        writer.write(b"400 from the daemon")

    daemon, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"400 from the daemon"
    assert bytes(daemon.got) == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /volumes/create?x=\xff HTTP/1.1\r\nHost: d\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /volumes/create HTTP/1.1\r\nHost: d\r\nContent-Length : 2\r\n\r\n{}",
        b"POST /volumes/create HTTP/1.1\r\nHost",
    ],
    ids=["no ASCII", "space before colon", "half a head"],
)
def test_a_malformed_request_that_might_create_something_is_refused(start_door, raw):
    daemon, door = start_door(respond_ok)
    assert refused(door, raw).startswith("malformed HTTP request: ")
    assert daemon.got == b""


def test_a_slow_client_slows_the_daemon_down(start_door):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
        with suppress(TimeoutError):
            while True:
                writer.write(b"x" * 65536)
                daemon.got += b"x" * 65536
                async with asyncio.timeout(1):
                    await writer.drain()
        daemon.half_closed.set()

    daemon, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(request("GET", "/images/x/get"))
        assert daemon.half_closed.wait(60)
        assert len(daemon.got) < 4 * 1024 * 1024


def test_a_busy_daemon_slows_the_client_down(start_door):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        await daemon.turn.acquire()

    _, door = start_door(respond)
    with door.connect() as connection:
        connection.sendall(request("POST", "/build", b"", "Content-Length: 999999999"))
        connection.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 20_000_000:
                sent += connection.send(b"x" * 65536)
        assert sent < 4 * 1024 * 1024


def test_without_an_engine_the_response_says_what_to_type(door_without_engine):
    head, _, body = door_without_engine.raw(request("GET", "/v1.41/containers/json")).partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 503 ")
    message = json.loads(body)["message"]
    assert "engine behind the course's front door is not running" in message
    assert "python3 -m dockyard engine start" in message


def test_without_an_engine_head_and_a_long_body_get_a_response(door_without_engine):
    assert door_without_engine.raw(request("HEAD", "/_ping")).endswith(b"\r\n\r\n")
    answer = door_without_engine.raw(request("POST", "/build", b"x" * 5_000_000))
    assert answer.startswith(b"HTTP/1.1 503 ")


def test_the_next_connection_finds_a_restarted_engine(door_without_engine, folder):
    assert door_without_engine.raw(request("GET", "/info")).startswith(b"HTTP/1.1 503 ")
    with FakeDaemon(folder / "engine.sock", respond_ok):
        assert exchange(door_without_engine, request("GET", "/info")) == OK
