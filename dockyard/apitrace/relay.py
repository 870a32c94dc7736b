"""A plain TCP relay: lets containers reach a server that listens on the host's loopback only."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from dockyard.exceptions import DockyardError, UsageError

PIECE = 256 * 1024


def parse(text: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """``HOST:PORT=HOST:PORT`` as two addresses. Raises UsageError."""
    try:
        listen, _, target = text.partition("=")
        addresses = []
        for address in (listen, target):
            host, _, port = address.rpartition(":")
            if not host:
                raise ValueError(address)
            addresses.append((host, int(port)))
    except ValueError:
        raise UsageError(f"{text!r} is not HOST:PORT=HOST:PORT.") from None
    return addresses[0], addresses[1]


async def start(listen: tuple[str, int], target: tuple[str, int]) -> asyncio.Server:
    """Relay every connection on listen to target. Raises DockyardError when listen is taken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*target)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            for each in (writer, far_writer):
                each.close()

    try:
        return await asyncio.start_server(serve, *listen)
    except OSError as error:
        raise DockyardError(f"Nothing can listen on {listen[0]}:{listen[1]}: {error}") from None


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(PIECE):
            target.write(data)
            await target.drain()
        target.write_eof()
