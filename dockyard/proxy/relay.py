"""A plain TCP relay, with half-close: lets nested engines reach the course registry."""

from __future__ import annotations

import asyncio
import socket

from dockyard.exceptions import UsageError
from dockyard.proxy.listener import BACKLOG, Listener
from dockyard.proxy.stream import Stream
from dockyard.proxy.upstream import connect_tcp

Address = tuple[str, int]


def parse(words: str) -> tuple[Address, Address]:
    """``HOST:PORT=HOST:PORT`` as the address to listen on and the one to connect to."""
    try:
        return tuple(_address(word) for word in words.split("=", 1))  # type: ignore[return-value]
    except ValueError:
        raise UsageError(
            f"{words!r} does not say what to forward.",
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
        """Begin to listen. Raises OSError."""
        family = socket.AF_INET6 if ":" in self._listen[0] else socket.AF_INET
        sock = socket.create_server(self._listen, family=family, backlog=BACKLOG)
        self._listener = Listener(sock, self._accepted)

    def close(self) -> None:
        """Close every connection."""
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
    sink.finish()


def _address(word: str) -> Address:
    host, separator, port = word.rpartition(":")
    if not separator or not host:
        raise ValueError(word)
    return host.strip("[]"), int(port)
