"""Downloads one file of known size and digest, and resumes a connection that breaks."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO

ATTEMPTS = 4
"""How often a connection may end before any further byte came."""


class DownloadFailed(Exception):
    """The download failed; the message says why. Nothing is left of it."""


def sha256_of(file: Path) -> str:
    """The SHA-256 digest of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def fetch(url: str, target: Path, *, sha256: str, size: int, timeout: float = 60) -> None:
    """Download url to target, which appears only when size (in bytes) and digest are right.

    timeout is in seconds, for each exchange with the server. Raises DownloadFailed, or OSError when
    the file cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    digest = hashlib.sha256()
    try:
        with part.open("wb") as file:
            failed = 0
            while file.tell() < size:
                before = file.tell()
                try:
                    _go_on(url, file, digest, size, timeout)
                    why = "the connection ended early"
                except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as e:
                    why = _reason(e)
                failed = 0 if file.tell() > before else failed + 1
                if failed == ATTEMPTS or (file.tell() == 0 and why.startswith("HTTP 4")):
                    raise DownloadFailed(f"{url}: {why}, after {file.tell()} of {size} bytes.")
        if digest.hexdigest() != sha256:
            raise DownloadFailed(
                f"{url} has the SHA-256 digest {digest.hexdigest()}, not {sha256}."
            )
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _go_on(url: str, file: BinaryIO, digest: hashlib._Hash, size: int, timeout: float) -> None:
    """Append what the server sends, from where file ends; begin anew if it cannot resume."""
    have = file.tell()
    asked = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(asked, timeout=timeout) as answer:
        if have and answer.status != 206:
            _skip(answer, have)
        while file.tell() < size and (chunk := answer.read1(min(1 << 18, size - file.tell()))):
            digest.update(chunk)
            file.write(chunk)


def _skip(answer: HTTPResponse, count: int) -> None:
    while count and (chunk := answer.read1(min(1 << 18, count))):
        count -= len(chunk)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__
