"""The front door's sockets: one for clients, one for subscribers to their requests."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import stat
from contextlib import suppress
from pathlib import Path

from dockyard.exceptions import SocketInUse
from dockyard.proxy.connection import Connection
from dockyard.proxy.hub_fallback import HubFallback
from dockyard.proxy.listener import BACKLOG, Listener
from dockyard.proxy.publisher import Publisher
from dockyard.proxy.stream import Stream
from dockyard.proxy.upstream import Upstream

SETTLE_TIMEOUT = 1.0


def listen_on(path: Path) -> socket.socket:
    """Listen on a UNIX socket of mode 0600; replace a socket on which nobody answers.

    Raises SocketInUse, or OSError when the path is too long or its folder is read-only.
    """
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.settimeout(2)
        probe.connect(os.fspath(path))
        raise SocketInUse(path)
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path} already exists and is not a socket")
        path.unlink()
    sock = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        sock.bind(os.fspath(path))
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(before)
    sock.listen(BACKLOG)
    return sock


class FrontDoor:
    """Serves clients on one socket and subscribers on another until it is closed."""

    def __init__(
        self,
        listen: Path,
        records: Path,
        upstream: Upstream,
        hub_fallback: HubFallback | None = None,
    ) -> None:
        self._paths = {"clients": listen, "records": records}
        self._upstream = upstream
        self._hub_fallback = hub_fallback or HubFallback()
        self._publisher = Publisher()
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._servers: list[tuple[asyncio.Server | Listener, Path, int]] = []

    async def open(self) -> None:
        """Start to listen. Raises SocketInUse or OSError."""
        _raise_file_limit()
        try:
            records = listen_on(self._paths["records"])
            server = await asyncio.start_unix_server(self._serve_subscriber, sock=records)
            self._keep(server, self._paths["records"])
            clients = Listener(listen_on(self._paths["clients"]), self._accepted)
            self._keep(clients, self._paths["clients"])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection and remove the sockets."""
        for server, path, inode in self._servers:
            server.close()
            with suppress(OSError):
                # A later front door may have replaced it.
                if path.lstat().st_ino == inode:
                    path.unlink()
        self._servers.clear()
        for task, connection in self._connections.items():
            task.cancel()
            connection.client.abort()
            if connection.daemon:
                connection.daemon.abort()

    def _keep(self, server: asyncio.Server | Listener, path: Path) -> None:
        self._servers.append((server, path, path.lstat().st_ino))

    def _accepted(self, sock: socket.socket) -> None:
        connection = Connection(Stream(sock), self._upstream, self._publisher, self._hub_fallback)
        task = connection.start()
        self._connections[task] = connection
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()):
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a connection failed", "exception": error, "task": task}
            )

    async def _serve_subscriber(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            request = json.loads(await reader.readline())
            self._publisher.subscribe(writer, request["lesson"])
            _reply(writer, event="subscribed")
            while line := await reader.readline():
                if json.loads(line) == {"command": "flush"}:
                    await self._settle()
                    _reply(writer, event="flushed")
                    await writer.drain()
        except (ConnectionError, ValueError, TypeError, KeyError) as error:
            _reply(writer, event="error", message=f"not understood: {error}")
        except asyncio.CancelledError:
            pass
        finally:
            self._publisher.unsubscribe(writer)
            writer.close()

    async def _settle(self) -> None:
        """Wait until the exchanges of clients that have hung up are over."""
        for _ in range(3):
            await asyncio.sleep(0)
        ending = [
            task
            for task, connection in self._connections.items()
            if connection.client.has_hung_up()
        ]
        if ending:
            await asyncio.wait(ending, timeout=SETTLE_TIMEOUT)


def _reply(writer: asyncio.StreamWriter, **event: object) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(event).encode() + b"\n")


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
