"""A small HTTP server in place of a daemon, to see what the front door passes on byte for byte."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support.front_door import Door, read_all

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HIJACKS = [
    b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n",
]

Handler = Callable[["FakeDaemon", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class FakeDaemon:
    """A server on a UNIX socket that keeps what it receives in ``got``.

    It calls handler with itself, a reader and a writer for every connection.
    """

    def __init__(self, path: Path, handler: Handler) -> None:
        self.path = path
        self.got = bytearray()
        self.closed = threading.Event()
        self.half_closed = threading.Event()
        self._handler = handler
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> FakeDaemon:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def let_continue(self) -> None:
        """Release a handler that waits for ``turn`` once."""
        self._loop.call_soon_threadsafe(self.turn.release)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self.turn = asyncio.Semaphore(0)
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_unix_server(self._connection, str(self.path))
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader, writer) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            await self._handler(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.closed.set()

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        """Read one head."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.got += head
        return head

    async def body(self, reader: asyncio.StreamReader, head: bytes) -> bytes:
        """Read a body with a Content-Length."""
        length = int(head.lower().partition(b"content-length:")[2].split()[0] or 0)
        body = await reader.readexactly(length)
        self.got += body
        return body

    def got_json(self) -> dict:
        """The JSON body of the only request received."""
        head, _, body = bytes(self.got).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        return json.loads(body)


async def respond_ok(daemon, reader, writer) -> None:
    """Read requests with a Content-Length, or without a body, and respond OK."""
    while True:
        head = await daemon.head(reader)
        if b"content-length:" in head.lower():
            await daemon.body(reader, head)
        writer.write(OK)
        await writer.drain()


async def stream_and_wait(daemon, reader, writer) -> None:
    """Respond with an event stream in which nothing happens, until the client leaves."""
    await daemon.head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n")
    await reader.read()


async def hijack_and_wait(daemon, reader, writer) -> None:
    """Upgrade, and ignore the end of the client's input."""
    await daemon.head(reader)
    writer.write(HIJACKS[0] + b".")
    await reader.read()
    daemon.half_closed.set()
    transport = writer.transport
    while not transport.is_closing():
        await asyncio.sleep(0.02)
        transport.write(b"")


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: docker", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchange(door: Door, raw: bytes) -> bytes:
    """Send one request and read a short response."""
    with door.connect() as connection:
        connection.sendall(raw)
        return connection.recv(65536)


def refused(door: Door, raw: bytes) -> str:
    """Send a request that the front door must refuse; return the message."""
    with door.connect() as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n"), head
    return json.loads(body)["message"]
