"""Bytes that checks send and receive: HTTP on loopback, framed streams, archives."""

from __future__ import annotations

import gzip
import http.client
import io
import ssl
import tarfile
from collections.abc import Collection
from typing import IO

import requests
import urllib3


def brief(text: str) -> str:
    """The beginning of what a program said, on one line, to be quoted in a verdict."""
    return " ".join(text.split())[:100]


PATIENCE = 15
"""Seconds for an answer: a busy computer takes a connection long before its server can answer."""


def ask(port: int, path: str, trust: ssl.SSLContext | None = None) -> tuple[int, str]:
    """One GET on 127.0.0.1, with TLS when trust is given; status and text."""
    if trust:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=trust)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def stands_in(stream: IO[bytes], text: bytes) -> bool:
    """Whether a text stands in a layer, packed with gzip or not."""
    # A daemon may keep and send its layers packed.
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    if packed:
        stream = gzip.GzipFile(fileobj=stream)
    kept = b""
    while block := stream.read(1 << 20):
        kept += block
        if text in kept:
            return True
        kept = kept[-len(text) :]
    return False


STDOUT, STDERR = 1, 2


def unframed(stream: bytes, kinds: Collection[int] = (STDOUT, STDERR)) -> str:
    """The text of frames that each begin with 8 bytes (Docker Engine API: ContainerAttach).

    Of the kinds of stream that are asked for.
    """
    content = b""
    while len(stream) >= 8:
        end = 8 + int.from_bytes(stream[4:8], "big")
        if stream[0] in kinds:
            content += stream[8:end]
        stream = stream[end:]
    return content.decode(errors="replace")


def first_file(archive: bytes) -> str | None:
    """The text of the first file in a tar archive; None when there is none."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.isfile():
                return tar.extractfile(member).read().decode(errors="replace")
    return None


def reason(error: Exception) -> str:
    """Why a connection failed, without the numbers."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def timed_out(error: requests.RequestException) -> bool:
    """Whether an answer did not come, or did not end, in time."""
    # When the head has come already, requests calls it an error of the connection.
    cause = error.args[0] if error.args else None
    return isinstance(error, requests.Timeout) or isinstance(
        cause, urllib3.exceptions.ReadTimeoutError
    )


def said(error: Exception) -> str:
    """What the daemon said when it refused."""
    return (getattr(error, "explanation", None) or str(error)).strip().splitlines()[0]
