"""A TCP relay with half-close, through which nested engines reach the course registry."""

from __future__ import annotations

import asyncio
import socket

from dockyard.exceptions import UsageError
from dockyard.proxy.listener import BACKLOG, Listener
from dockyard.proxy.stream import Stream
from dockyard.proxy.upstream import connect_tcp

Address = tuple[str, int]


def parse(option: str) -> tuple[Address, Address]:
    """Split ``HOST:PORT=HOST:PORT`` into the addresses to listen on and to connect to.

    Raises UsageError.
    """
    try:
        listen, _, target = option.partition("=")
        return _address(listen), _address(target)
    except ValueError:
        raise UsageError(
            f"{option!r} does not say what to forward.",
            "Two addresses are needed, such as 172.28.0.1:5000=127.0.0.1:5000.",
        ) from None


class Relay:
    """Listens on one address and passes every connection on to another."""

    def __init__(self, listen: Address, target: Address) -> None:
        self._listen = listen
        self._target = target
        self._listener: Listener | None = None
        self._tasks: dict[asyncio.Task[None], Stream] = {}

    def open(self) -> None:
        """Start to listen. Raises OSError."""
        family = socket.AF_INET6 if ":" in self._listen[0] else socket.AF_INET
        sock = socket.create_server(self._listen, family=family, backlog=BACKLOG)
        self._listener = Listener(sock, self._accepted)

    def close(self) -> None:
        """Stop listening and close every connection."""
        if self._listener:
            self._listener.close()
        for task, stream in self._tasks.items():
            task.cancel()
            stream.abort()

    def _accepted(self, sock: socket.socket) -> None:
        client = Stream(sock)
        task = asyncio.create_task(self._serve(client))
        self._tasks[task] = client
        task.add_done_callback(self._tasks.pop)

    async def _serve(self, client: Stream) -> None:
        try:
            target = Stream(await connect_tcp(*self._target))
        except OSError:
            client.abort()
            return
        directions = [
            asyncio.create_task(_pump(client, target)),
            asyncio.create_task(_pump(target, client)),
        ]
        try:
            await asyncio.gather(*directions)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            client.close()
            target.close()


async def _pump(source: Stream, sink: Stream) -> None:
    while data := await source.receive():
        await sink.send(data)
    sink.write_eof()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError(text)
    return host.strip("[]"), int(port)
