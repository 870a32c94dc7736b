"""Adds labels to images that BuildKit builds, in what a client sends after ``POST /grpc``.

docker build, Compose and ``docker buildx`` speak gRPC there: HTTP/2 frames (RFC 9113), in which
each message has five bytes before it, a flag and its length. The message that asks for a build is a
SolveRequest of BuildKit's gateway or control API (protobuf), and has a map of options for the
Dockerfile's frontend. The option ``label:NAME`` is what ``docker build --label`` sets.

Whatever is not understood is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD, MESSAGE_HEAD = 9, 5
DATA, END_STREAM, PADDED = 0, 0x1, 0x8
FRAME_SIZE = 16384
"""The longest frame that every HTTP/2 server takes."""

LONGEST = 32768
"""A longer message is passed on at once: the server need not take more before it is answered."""

FRONTENDS = (b"dockerfile.v0", b"gateway.v0")
APIS = ((2, 3), (6, 7))
"""The fields with a SolveRequest's frontend and its options, in the gateway and the control API."""


class BuildLabels:
    """The labels for what one connection builds; feed() takes the client's bytes in order."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._options = [
            (f"label:{name}".encode(), value.encode()) for name, value in labels.items()
        ]
        self._buffer = b""
        self._begun = False
        self._plain = False
        self._held: dict[bytes, bytes] = {}
        """Of each stream, the beginning of a message that is not complete."""
        self._rest: dict[bytes, int] = {}
        """Of each stream, the bytes left of a message that is passed on as it comes."""

    def feed(self, data: bytes) -> bytes:
        """The bytes to pass on to the daemon; a frame is kept until it is complete."""
        if self._plain:
            return data
        self._buffer += data
        if not self._begun:
            if len(self._buffer) < len(PREFACE) and PREFACE.startswith(self._buffer):
                return b""
            if not self._buffer.startswith(PREFACE):
                return self._give_up()
            self._begun = True
            out, self._buffer = PREFACE, self._buffer[len(PREFACE) :]
        else:
            out = b""
        return out + b"".join(self._frames())

    def end(self) -> bytes:
        """What is still kept when the client has stopped sending."""
        return self._give_up()

    def _give_up(self) -> bytes:
        self._plain = True
        left, self._buffer = self._buffer, b""
        return left

    def _frames(self) -> Iterator[bytes]:
        while len(self._buffer) >= FRAME_HEAD:
            end = FRAME_HEAD + int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < end:
                return
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            kind, flags, stream = frame[3], frame[4], frame[5:FRAME_HEAD]
            if kind == DATA and not flags & PADDED:
                yield from self._data(flags, stream, frame[FRAME_HEAD:])
            else:
                yield frame

    def _data(self, flags: int, stream: bytes, payload: bytes) -> Iterator[bytes]:
        """The frames for a part of a stream; its messages change where they ask for a build."""
        out = b""
        payload = self._held.pop(stream, b"") + payload
        while payload:
            if left := self._rest.pop(stream, 0):
                passed, payload = payload[:left], payload[left:]
                out += passed
                if len(passed) < left:
                    self._rest[stream] = left - len(passed)
                continue
            size = MESSAGE_HEAD + int.from_bytes(payload[1:MESSAGE_HEAD], "big")
            if len(payload) >= MESSAGE_HEAD and size > LONGEST:
                self._rest[stream] = size
            elif len(payload) < MESSAGE_HEAD or len(payload) < size:
                if flags & END_STREAM:
                    out += payload
                else:
                    self._held[stream] = payload
                break
            else:
                message, payload = payload[:size], payload[size:]
                out += self._labelled(message)
        yield from _framed(flags, stream, out)

    def _labelled(self, message: bytes) -> bytes:
        """A message with its head."""
        compressed, body = message[0], message[MESSAGE_HEAD:]
        number = 0 if compressed else _options_field(body)
        if not number:
            return message
        body += b"".join(
            _field(number, _field(1, name) + _field(2, value)) for name, value in self._options
        )
        return b"\0" + len(body).to_bytes(4, "big") + body


def _framed(flags: int, stream: bytes, content: bytes) -> Iterator[bytes]:
    """DATA frames with content; the last one has the flags."""
    if not content and not flags & END_STREAM:
        return
    for at in range(0, len(content) or 1, FRAME_SIZE):
        part = content[at : at + FRAME_SIZE]
        last = at + FRAME_SIZE >= len(content)
        own = bytes([DATA, flags if last else flags & ~END_STREAM])
        yield len(part).to_bytes(3, "big") + own + stream + part


def _options_field(body: bytes) -> int:
    """The field with the options of the frontend, if this is a SolveRequest for one; else 0."""
    try:
        found = dict(_fields(body))
    except (ValueError, IndexError):
        return 0
    return next((options for frontend, options in APIS if found.get(frontend) in FRONTENDS), 0)


def _fields(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message that have a length. Raises ValueError or IndexError."""
    at = 0
    while at < len(body):
        tag, at = _varint(body, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, at = _varint(body, at)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            size, at = _varint(body, at)
            if at + size > len(body):
                raise ValueError("a field is longer than its message")
            yield number, body[at : at + size]
            at += size
        else:
            raise ValueError(f"wire type {wire}")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _number(len(content)) + content


def _number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
