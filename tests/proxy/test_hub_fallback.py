"""Pulls that the front door answers in place of Docker Hub."""

from __future__ import annotations

from contextlib import closing

import docker
import pytest

from dockyard.proxy.http_message import Head
from dockyard.proxy.hub_fallback import NOTE, HubFallback
from tests.support.fake_daemon import OK, FakeDaemon, request
from tests.support.front_door import Door

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
PULL = "/v1.41/images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag=latest"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("fromImage=busybox&tag=latest", "busybox:latest"),
        ("fromImage=docker.io%2Flibrary%2Fbusybox&tag=latest", "busybox:latest"),
        ("fromImage=library%2Fbusybox%3Alatest", "busybox:latest"),
        ("fromImage=busybox&tag=latest&platform=", "busybox:latest"),
        ("fromImage=busybox&tag=latest&platform=linux%2Fs390x", None),
        ("fromImage=busybox&tag=1.36", None),
        ("fromImage=busybox", None),
        ("fromImage=nobody%2Fbusybox&tag=latest", None),
        ("fromSrc=-&repo=busybox&tag=latest", None),
    ],
)
def test_a_pull_of_one_of_the_images_is_recognised(query, expected):
    head = Head(b"", (), b"POST", f"/v1.41/images/create?{query}".encode())
    assert HubFallback(["busybox:latest"]).reference(head) == expected


@pytest.fixture
def pull(folder):
    """Pulls busybox through a front door that answers for it, then sends one more request."""

    def send(handler):
        with FakeDaemon(folder / "engine.sock", handler) as daemon:
            door = Door(folder, f"unix://{daemon.path}", "--hub-fallback", "busybox:latest").start()
            last = request("GET", "/info", b"", "Connection: close")
            response = door.raw(request("POST", PULL) + last)
            door.stop()
            return response, bytes(daemon.got)

    return send


def test_a_pull_of_an_image_that_the_daemon_has_is_answered(pull):
    async def respond(daemon, reader, writer):
        assert (await daemon.head(reader)).startswith(b"GET /images/busybox%3Alatest/json ")
        writer.write(OK)
        await daemon.head(reader)
        writer.write(OK)

    response, got = pull(respond)
    assert NOTE.encode() in response
    assert b"Status: Image is up to date for busybox:latest" in response
    assert response.endswith(OK)
    assert b"POST" not in got


def test_dockers_sdk_reads_the_answer_line_by_line(folder):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(OK)

    with FakeDaemon(folder / "engine.sock", respond) as daemon:
        door = Door(folder, f"unix://{daemon.path}", "--hub-fallback", "busybox:latest").start()
        with closing(docker.APIClient(f"unix://{door.socket}", version="1.41")) as client:
            lines = list(client.pull("busybox", tag="latest", stream=True, decode=True))
        door.stop()
    assert [line["status"] for line in lines] == [
        "Pulling from library/busybox", NOTE, "Status: Image is up to date for busybox:latest",
    ]  # fmt: skip


def test_a_pull_of_an_image_that_the_daemon_lacks_goes_to_the_daemon(pull):
    async def respond(daemon, reader, writer):
        await daemon.head(reader)
        writer.write(NOT_FOUND)
        await daemon.head(reader)
        writer.write(OK)
        await daemon.head(reader)
        writer.write(OK)

    response, got = pull(respond)
    assert response == OK + OK
    assert f"POST {PULL} ".encode() in got
