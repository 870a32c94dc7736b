"""Ways to the daemon: a UNIX socket, a TCP address with or without TLS, the docker client."""

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

TIMEOUT = 20.0
PATIENCE = 5.0

_running: set[asyncio.Task[None]] = set()


class Upstream(ABC):
    """Where the daemon is."""

    @abstractmethod
    async def connect(self) -> Stream:
        """A new connection. Raises OSError when the daemon does not answer."""


class UnixUpstream(Upstream):
    """``unix:///path``."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def connect(self) -> Stream:
        """A new connection. Raises OSError."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        deadline = asyncio.get_running_loop().time() + TIMEOUT
        try:
            while True:
                try:
                    sock.connect(self.path)
                    break
                except BlockingIOError:
                    # The daemon's queue of connections is full. A UNIX socket cannot be
                    # waited for then, which loop.sock_connect() does not know (connect(2)).
                    if asyncio.get_running_loop().time() > deadline:
                        raise TimeoutError("the daemon accepts no connections") from None
                    await asyncio.sleep(0.005)
            return Stream(sock)
        except BaseException:
            sock.close()
            raise


class TcpUpstream(Upstream):
    """``tcp://host:port``, with mutual TLS when a context is given."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.port = port
        self.context = context

    async def connect(self) -> Stream:
        """A new connection. Raises OSError, of which ssl.SSLError is one."""
        async with asyncio.timeout(TIMEOUT):
            sock = await connect_tcp(self.host, self.port)
            if not self.context:
                return Stream(sock)
            stream = TlsStream(sock, self.context, self.host)
            try:
                await stream.secure()
            except BaseException:
                stream.abort()
                raise
            return stream


class DialStdioUpstream(Upstream):
    """A context of the docker client, through ``docker system dial-stdio``.

    The client knows ways that this proxy does not: ssh, and named pipes on Windows.
    """

    def __init__(self, context: str) -> None:
        self.context = context

    async def connect(self) -> Stream:
        """Start one client process that carries one connection. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *("docker", "--context", self.context, "system", "dial-stdio"),
                    stdin=theirs,
                    stdout=theirs,
                )
            stream = Stream(ours)
        except BaseException:
            ours.close()
            raise
        ending = asyncio.create_task(self._see_out(process, stream))
        _running.add(ending)
        ending.add_done_callback(_running.discard)
        return stream

    async def _see_out(self, process: asyncio.subprocess.Process, stream: Stream) -> None:
        # It ends by itself when the daemon has closed its side; the time is for what is
        # still on its way there.
        lost = asyncio.Event()
        stream.on_close = lost.set
        await lost.wait()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.terminate()
            await process.wait()


def parse(
    address: str, ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> Upstream:
    """The way to an address such as ``unix:///run/docker.sock``. Raises UsageError."""
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
        f"{address!r} is not an address of a daemon.",
        "Known are unix:///path, tcp://host:port and dial-stdio:CONTEXT.",
    )


async def connect_tcp(host: str, port: int) -> socket.socket:
    """A connected TCP socket. Raises OSError."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            # Small requests must not wait for each other (tcp(7)).
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
            return sock
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = error
    raise failure
