"""Connects to the daemon: UNIX socket, TCP with or without TLS, or a docker context."""

from __future__ import annotations

import asyncio
import socket
import ssl
from abc import ABC, abstractmethod
from pathlib import Path

from dockyard.core.tls_context import trusting
from dockyard.exceptions import UsageError
from dockyard.proxy.stream import Stream
from dockyard.proxy.tls_stream import TlsStream

CONNECT_TIMEOUT = 20.0
EXIT_TIMEOUT = 5.0

_running: set[asyncio.Task[None]] = set()


class Upstream(ABC):
    """The address of a daemon."""

    @abstractmethod
    async def connect(self) -> Stream:
        """Open a connection. Raises OSError when the daemon does not answer."""


class UnixUpstream(Upstream):
    """A daemon at ``unix:///path``."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def connect(self) -> Stream:
        """Open a connection. Raises OSError."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        deadline = asyncio.get_running_loop().time() + CONNECT_TIMEOUT
        try:
            while True:
                try:
                    sock.connect(self.path)
                    break
                except BlockingIOError:
                    # The daemon's backlog is full. A UNIX socket cannot be polled for that,
                    # unlike what loop.sock_connect() assumes (connect(2), EAGAIN).
                    if asyncio.get_running_loop().time() > deadline:
                        raise TimeoutError("the daemon accepts no connections") from None
                    await asyncio.sleep(0.005)
            return Stream(sock)
        except BaseException:
            sock.close()
            raise


class TcpUpstream(Upstream):
    """A daemon at ``tcp://host:port``, with mutual TLS when a context is given."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.port = port
        self.context = context

    async def connect(self) -> Stream:
        """Open a connection. Raises OSError; ssl.SSLError is one."""
        async with asyncio.timeout(CONNECT_TIMEOUT):
            sock = await connect_tcp(self.host, self.port)
            if not self.context:
                return Stream(sock)
            stream = TlsStream(sock, self.context, self.host)
            try:
                await stream.handshake()
            except BaseException:
                stream.abort()
                raise
            return stream


class DialStdioUpstream(Upstream):
    """A context of the docker client, reached through ``docker system dial-stdio``.

    The client supports what this proxy does not: ssh, and named pipes on Windows.
    """

    def __init__(self, context: str) -> None:
        self.context = context

    async def connect(self) -> Stream:
        """Start a docker client that carries one connection. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *("docker", "--context", self.context, "system", "dial-stdio"),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                )
            stream = Stream(ours)
        except BaseException:
            ours.close()
            raise
        # The event loop keeps only weak references to tasks.
        waiting = asyncio.create_task(self._wait_for_exit(process, stream))
        _running.add(waiting)
        waiting.add_done_callback(_running.discard)
        return stream

    async def _wait_for_exit(self, process: asyncio.subprocess.Process, stream: Stream) -> None:
        closed = asyncio.Event()
        stream.on_close = closed.set
        await closed.wait()
        # The client exits when the daemon closes its side; the timeout leaves time to send what
        # is still queued.
        try:
            async with asyncio.timeout(EXIT_TIMEOUT):
                await process.wait()
        except TimeoutError:
            process.terminate()
            await process.wait()


def parse(
    address: str, ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> Upstream:
    """Parse an address such as ``unix:///run/docker.sock``. Raises UsageError."""
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest.startswith("//") and rest[2:]:
        return UnixUpstream(rest[2:])
    if kind == "dial-stdio" and rest:
        return DialStdioUpstream(rest)
    host, _, port = rest.removeprefix("//").rstrip("/").rpartition(":")
    if kind == "tcp" and host and port.isdecimal():
        context = None
        if ca or cert or key:
            context = trusting(cafile=ca)
            if cert:
                context.load_cert_chain(cert, key)
        return TcpUpstream(host.strip("[]"), int(port), context)
    raise UsageError(
        f"{address!r} is not the address of a daemon.",
        "Known are unix:///path, tcp://host:port and dial-stdio:CONTEXT.",
    )


async def connect_tcp(host: str, port: int) -> socket.socket:
    """Return a connected TCP socket. Raises OSError."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            # A small request must not wait for the acknowledgement of the one before (tcp(7)).
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
            return sock
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = error
    raise failure
