"""Follows HTTP/1.1 messages through the bytes that carry them, without changing the bytes.

h11 parses heads and framing. The bytes themselves are passed on as received, because clients of
the Docker API can observe where a chunk begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

import h11

from dockyard.proxy.stream import Stream

# Go's limit for a head (net/http.DefaultMaxHeaderBytes).
MAX_HEAD_SIZE = 1024 * 1024

HIJACKED_TYPES = (
    b"application/vnd.docker.raw-stream",
    b"application/vnd.docker.multiplexed-stream",
)

ProtocolError = h11.RemoteProtocolError

# The daemon's route is /v{version:[0-9.]+} (moby: daemon/server/server.go).
_VERSION = re.compile(r"^/v([0-9.]+)(?=/)")
# A request line may name a whole URL (RFC 9112, 3.2.2: absolute-form).
_ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


@dataclass(frozen=True, slots=True)
class Head:
    """The start line and headers of a message, raw and parsed. Header names are lower case."""

    raw: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    method: bytes = b""
    target: bytes = b""
    status: int = 0

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a header, named in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def version(self) -> str | None:
        """The API version in the request's path, such as ``1.41``."""
        found = _VERSION.match(self._whole_path)
        return found[1] if found else None

    @property
    def path(self) -> str:
        """The request's path as sent, without API version and query."""
        return _VERSION.sub("", self._whole_path, count=1)

    @property
    def endpoint(self) -> str:
        """The path as the daemon's router reads it: percent-decoded, without API version.

        Go decodes a path before its routers match it (net/url: URL.Path), so
        ``/containers/cr%65ate`` creates a container.
        """
        return _VERSION.sub("", unquote(self._whole_path, "latin-1"), count=1)

    @property
    def query(self) -> str:
        """The request's query as sent."""
        return self.target.decode("latin-1").partition("?")[2]

    @property
    def _whole_path(self) -> str:
        return _ORIGIN.sub("", self.target.decode("latin-1").partition("?")[0])

    @property
    def hijacks(self) -> bool:
        """Whether this response turns the connection into a stream of bytes in both directions.

        Either 101, or the older form of attach and exec: 200 with a raw stream that ends with
        the connection (Docker Engine API: ContainerAttach).
        """
        if self.status == 101:
            return True
        framed = self.get(b"content-length") is not None or self.get(b"transfer-encoding")
        return self.status == 200 and not framed and self.get(b"content-type") in HIJACKED_TYPES


class Message:
    """Finds the end of one message in the bytes fed to it."""

    def __init__(self, connection: h11.Connection) -> None:
        self.head: Head | None = None
        self.done = False
        self.body = bytearray()
        self.size = 0
        self.body_limit = 0
        """How many bytes of the decoded body are kept in ``body``."""
        self._connection = connection
        self._raw = b""

    @classmethod
    def request(cls) -> Message:
        """A message from a client."""
        return cls(h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_SIZE))

    @classmethod
    def response(cls, method: bytes) -> Message:
        """The response to a request. Informational responses before it are skipped."""
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_SIZE)
        # h11 accepts 101 only after a request that proposed it; the daemon decides whether this
        # one did.
        headers = [("Host", "docker"), ("Connection", "Upgrade"), ("Upgrade", "tcp")]
        connection.send(h11.Request(method=method, target=b"/", headers=headers))
        connection.send(h11.EndOfMessage())
        return cls(connection)

    def read(self, data: bytes) -> bytes:
        """Parse bytes of head or body; return those that belong to the next message.

        Raises ProtocolError.
        """
        if self.head is not None:
            return self.read_body(data)
        return b"" if self.read_head(data) is None else self.read_body(b"")

    def read_head(self, data: bytes) -> bytes | None:
        """Parse bytes until the head is complete; then return the bytes after it.

        Raises ProtocolError when this is not HTTP/1.
        """
        self._raw += data
        self._connection.receive_data(data)
        while True:
            event = self._connection.next_event()
            if isinstance(event, h11.InformationalResponse) and event.status_code != 101:
                continue
            if isinstance(event, h11.Request | h11.Response | h11.InformationalResponse):
                break
            return None
        rest = self._connection.trailing_data[0]
        raw = self._raw[: len(self._raw) - len(rest)]
        self._raw = b""
        headers = tuple(event.headers)
        if isinstance(event, h11.Request):
            if not event.http_version.startswith(b"1."):
                # HTTP/2 begins with what looks like a request of HTTP/1 (RFC 9113, 3.4).
                raise ProtocolError("not HTTP/1")
            self.head = Head(raw, headers, event.method, event.target)
        else:
            self.head = Head(raw, headers, status=event.status_code)
        return rest

    def read_body(self, data: bytes) -> bytes:
        """Parse bytes of the body; return those that belong to the next message.

        ``read_head`` has parsed the bytes that it returned: call this with an empty string
        first. Raises ProtocolError when the framing is broken.
        """
        if data:
            self._connection.receive_data(data)
        while True:
            event = self._connection.next_event()
            if isinstance(event, h11.Data):
                self.size += len(event.data)
                room = self.body_limit - len(self.body)
                if room > 0:
                    self.body += event.data[:room]
            elif isinstance(event, h11.EndOfMessage):
                self.done = True
                return self._connection.trailing_data[0]
            else:
                return b""


async def ask(daemon: Stream, method: bytes, request: bytes) -> Head | None:
    """Send a request of the front door's own and read the whole response.

    Returns None when the response is incomplete or not HTTP. Raises ConnectionResetError.
    """
    response = await read_answer(daemon, method, request)
    return response.head if response else None


async def read_answer(
    daemon: Stream, method: bytes, request: bytes, limit: int = 0
) -> Message | None:
    """The same as ask(), with the response's body up to limit bytes."""
    response = Message.response(method)
    response.body_limit = limit
    await daemon.send(request)
    try:
        while not response.done and (data := await daemon.receive()):
            daemon.unread(response.read(data))
    except ProtocolError:
        return None
    return response if response.done else None
