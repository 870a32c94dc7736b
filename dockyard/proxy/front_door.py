"""The front door's sockets: one for clients, one for those who want to see the requests."""

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
from dockyard.proxy.hub_fallback import StandIn
from dockyard.proxy.journal import Journal
from dockyard.proxy.listener import BACKLOG, Listener
from dockyard.proxy.stream import Stream
from dockyard.proxy.upstream import Upstream

SETTLE = 1.0


def bind(path: Path) -> socket.socket:
    """A listening UNIX socket of mode 0600; one that nobody answers on is replaced.

    Raises SocketInUse, or OSError when the path is too long or its folder not writable.
    """
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.settimeout(2)
        probe.connect(os.fspath(path))
        raise SocketInUse(path)
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path} is there already, and is not a socket")
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
        self, listen: Path, records: Path, upstream: Upstream, stand_in: StandIn | None = None
    ) -> None:
        self._paths = {"clients": listen, "records": records}
        self._upstream = upstream
        self._stand_in = stand_in or StandIn()
        self._journal = Journal()
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._servers: list[tuple[asyncio.Server | Listener, Path, int]] = []

    async def open(self) -> None:
        """Begin to listen. Raises SocketInUse or OSError."""
        _allow_many_files()
        try:
            records = bind(self._paths["records"])
            server = await asyncio.start_unix_server(self._subscriber, sock=records)
            self._keep(server, self._paths["records"])
            clients = Listener(bind(self._paths["clients"]), self._client)
            self._keep(clients, self._paths["clients"])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection and remove the sockets."""
        for server, path, inode in self._servers:
            server.close()
            with suppress(OSError):
                # A successor may have put its own there.
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

    def _client(self, sock: socket.socket) -> None:
        connection = Connection(Stream(sock), self._upstream, self._journal, self._stand_in)
        task = connection.start()
        self._connections[task] = connection
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled() and (error := task.exception()):
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a connection failed", "exception": error, "task": task}
            )

    async def _subscriber(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            wanted = json.loads(await reader.readline())
            self._journal.subscribe(writer, wanted["lesson"])
            _say(writer, event="subscribed")
            while line := await reader.readline():
                if json.loads(line) == {"command": "flush"}:
                    await self._settle()
                    _say(writer, event="flushed")
                    await writer.drain()
        except (ConnectionError, ValueError, TypeError, KeyError) as error:
            _say(writer, event="error", message=f"not understood: {error}")
        except asyncio.CancelledError:
            pass
        finally:
            self._journal.unsubscribe(writer)
            writer.close()

    async def _settle(self) -> None:
        """Let exchanges end whose client has already gone."""
        for _ in range(3):
            await asyncio.sleep(0)
        ending = [
            task for task, connection in self._connections.items() if connection.client.hung_up()
        ]
        if ending:
            await asyncio.wait(ending, timeout=SETTLE)


def _say(writer: asyncio.StreamWriter, **event: object) -> None:
    if not writer.is_closing():
        writer.write(json.dumps(event).encode() + b"\n")


def _allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
