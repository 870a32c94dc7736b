"""Connects to the daemon: UNIX socket, TCP with or without TLS, ssh, or a docker context."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dockyard.core import paths, ssh
from dockyard.core.tls_context import trusting
from dockyard.exceptions import UsageError
from dockyard.proxy.stream import Stream
from dockyard.proxy.tls_stream import TlsStream

CONNECT_TIMEOUT = 20.0
EXIT_TIMEOUT = 5.0
SESSIONS = 10
"""How many connections sshd carries over one sign-in unless it is set otherwise."""


class Upstream(ABC):
    """The address of a daemon."""

    @abstractmethod
    async def connect(self) -> Stream:
        """Open a connection. Raises OSError when the daemon does not answer."""

    async def close(self) -> None:  # noqa: B027  # most addresses have nothing to release
        """Release what belongs to no single connection."""


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


class ProcessStream(Stream):
    """A connection to a daemon that a program carries on its standard input and output."""

    def __init__(self, sock: socket.socket, process: asyncio.subprocess.Process) -> None:
        super().__init__(sock)
        self.process = process
        self._said = b""
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self.process.stderr
        while said := await self.process.stderr.read(4096):
            self._said = (self._said + said)[-4096:]

    async def last_words(self) -> str:
        """What the program wrote on standard error; if it does not exit soon, until now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(EXIT_TIMEOUT):
                await asyncio.shield(self._listening)
        return self._said.decode(errors="replace")

    async def why_ended(self) -> str:
        """The last line that the program wrote."""
        lines = (await self.last_words()).split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    async def end(self, after: float = 0.0) -> None:
        """Wait until the program exits; terminate it after some seconds."""
        try:
            async with asyncio.timeout(after):
                await self.process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.terminate()
            await self.process.wait()
        await self._listening


class ProcessUpstream(Upstream):
    """A daemon that is reached by starting a program for each connection."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[None], ProcessStream] = {}

    async def _start(
        self,
        words: Sequence[str],
        kind: Callable[[socket.socket, asyncio.subprocess.Process], ProcessStream] = ProcessStream,
    ) -> ProcessStream:
        """Start the program. Raises OSError if it is not there."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=asyncio.subprocess.PIPE,
                )
            stream = kind(ours, process)
        except BaseException:
            ours.close()
            raise
        waiting = asyncio.create_task(self._until_closed(stream))
        self._open[waiting] = stream
        waiting.add_done_callback(self._open.pop)
        return stream

    async def _until_closed(self, stream: ProcessStream) -> None:
        closed = asyncio.Event()
        stream.on_close = closed.set
        await closed.wait()
        # The program exits when the daemon closes its side; the timeout leaves time to send what
        # is still queued.
        await stream.end(EXIT_TIMEOUT)

    async def close(self) -> None:
        """End every program."""
        await asyncio.gather(*(stream.end() for stream in self._open.values()))


class DialStdioUpstream(ProcessUpstream):
    """A context of the docker client, reached through ``docker system dial-stdio``.

    The client supports what this proxy does not, such as TLS without a client's certificate.
    """

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    async def connect(self) -> Stream:
        """Start a docker client that carries one connection. Raises OSError."""
        return await self._start(["docker", "--context", self.context, "system", "dial-stdio"])


class SshUpstream(ProcessUpstream):
    """The daemon of another computer, at ``ssh://user@host:port``.

    Signing in takes a third of a second and more, so it is done once: by a connection through which
    the others go (ssh_config(5), ControlMaster). That connection also is the first one to the
    daemon, and asks whether it answers. It ends with this process, however that ends, because its
    input does. A server carries a few connections at once over one sign-in (sshd_config(5),
    MaxSessions), so more of them sign in again, one after the other: a server refuses many who
    sign in at once (MaxStartups).
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        ssh.command(address)  # raises UsageError now
        self._sign_ins: list[_SignIn] = []
        self._number = 0
        self._signing_in = asyncio.Lock()

    async def connect(self) -> Stream:
        """Open a connection. Raises OSError with the reason."""
        async with self._signing_in:
            self._close_unused()
            used = next((each for each in self._sign_ins if each.has_room), None)
            if not used:
                used = await self._sign_in()
                self._sign_ins.append(used)
            stream = await self._ssh("ControlMaster=no", used.control)
            used.others.append(stream)
        return stream

    async def _until_closed(self, stream: ProcessStream) -> None:
        await super()._until_closed(stream)
        self._close_unused()

    def _close_unused(self) -> None:
        """Close the sign-ins that ended, and those that became too many."""
        for number, each in enumerate(self._sign_ins):
            if each.first.eof or (number and each.unused):
                each.first.close()
        self._sign_ins = [each for each in self._sign_ins if not each.first.closed]

    async def _sign_in(self) -> _SignIn:
        # A name of its own for each sign-in: an earlier one may be ending.
        self._number += 1
        control = paths.run_dir() / f"ssh-{os.getpid()}-{self._number}"
        stream = await self._ssh("ControlMaster=yes", control)
        try:
            await stream.send(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")
            async with asyncio.timeout(CONNECT_TIMEOUT):
                answer = await stream.receive()
            if not answer:
                raise OSError(await stream.why_ended() or "ssh ended without a word")
            if not answer.startswith(b"HTTP/1."):
                raise OSError(f"the shell there says something of its own: {answer[:60]!r}")
        except TimeoutError:
            stream.close()
            raise OSError(f"no answer within {CONNECT_TIMEOUT:g} s") from None
        except BaseException:
            stream.close()
            raise
        return _SignIn(control, stream)

    async def _ssh(self, role: str, control: Path) -> ProcessStream:
        options = ("-o", role, "-o", f"ControlPath={control}", "-o", "ControlPersist=no")
        words = ssh.command(self.address, *options)
        return await self._start(words, partial(_SshStream, self.address))


@dataclass
class _SignIn:
    """What was signed in, and the further connections through it."""

    control: Path
    first: ProcessStream
    others: list[ProcessStream] = field(default_factory=list)

    @property
    def unused(self) -> bool:
        self.others = [each for each in self.others if each.process.returncode is None]
        return not self.others

    @property
    def has_room(self) -> bool:
        return self.unused or len(self.others) < SESSIONS - 1


class _SshStream(ProcessStream):
    def __init__(
        self, address: str, sock: socket.socket, process: asyncio.subprocess.Process
    ) -> None:
        super().__init__(sock, process)
        self._address = address

    async def why_ended(self) -> str:
        return ssh.explain(await self.last_words(), self._address)


def parse(
    address: str, ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> Upstream:
    """Parse an address such as ``unix:///run/docker.sock``. Raises UsageError."""
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest.startswith("//") and rest[2:]:
        return UnixUpstream(rest[2:])
    if ssh.is_address(address):
        return SshUpstream(address)
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
        "Known are unix:///path, tcp://host:port, ssh://user@host and dial-stdio:CONTEXT.",
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
