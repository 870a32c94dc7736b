"""Follows HTTP/1.1 messages through the bytes that carry them, without changing the bytes.

h11 reads heads and framing; the bytes themselves are passed on as they came, because clients
of the Docker API can see where a chunk begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import h11

# Go's own limit for a head (net/http.DefaultMaxHeaderBytes).
LONGEST_HEAD = 1024 * 1024

HIJACKED = (b"application/vnd.docker.raw-stream", b"application/vnd.docker.multiplexed-stream")

Unreadable = h11.RemoteProtocolError


@dataclass(frozen=True, slots=True)
class Head:
    """The first lines of a message: what was sent, and what it says."""

    raw: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    method: bytes = b""
    target: bytes = b""
    status: int = 0

    def get(self, name: bytes) -> bytes | None:
        """The value of a header, named in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def switches(self) -> bool:
        """Whether a response turns the connection into a stream of bytes both ways.

        Either 101, or the older way of attach and exec: 200 with a raw stream that nothing
        ends but the end of the connection (Docker Engine API: ContainerAttach).
        """
        if self.status == 101:
            return True
        framed = self.get(b"content-length") is not None or self.get(b"transfer-encoding")
        return self.status == 200 and not framed and self.get(b"content-type") in HIJACKED


class Message:
    """One message: feed it bytes, it says where the message ends."""

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
        return cls(h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD))

    @classmethod
    def response(cls, request: Head) -> Message:
        """The answer to a request. Informational answers before it are skipped."""
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        # h11 accepts 101 only after a request that proposed it; whether this one did is the
        # daemon's business.
        headers = [("Host", "docker"), ("Connection", "Upgrade"), ("Upgrade", "tcp")]
        connection.send(h11.Request(method=request.method, target=b"/", headers=headers))
        connection.send(h11.EndOfMessage())
        return cls(connection)

    def read(self, data: bytes) -> bytes:
        """Take bytes of head or body; return those that belong to the next message.

        Raises Unreadable.
        """
        if self.head is not None:
            return self.read_body(data)
        return b"" if self.read_head(data) is None else self.read_body(b"")

    def read_head(self, data: bytes) -> bytes | None:
        """Take bytes until the head is complete; then return those after it.

        Raises Unreadable when this is not HTTP.
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
                raise Unreadable("not HTTP/1")
            self.head = Head(raw, headers, event.method, event.target)
        else:
            self.head = Head(raw, headers, status=event.status_code)
        return rest

    def read_body(self, data: bytes) -> bytes:
        """Take bytes of the body; return those that belong to the next message.

        Those that ``read_head`` returned have been taken already: begin with an empty
        string. Raises Unreadable when the framing is broken.
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
