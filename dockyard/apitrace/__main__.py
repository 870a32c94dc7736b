"""``python -m dockyard.apitrace``: the front door as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from dockyard.apitrace import relay, upstream
from dockyard.apitrace.proxy import Proxy
from dockyard.apitrace.publish import Publisher
from dockyard.exceptions import DockyardError

BACKLOG = 1024


def listening(path: Path) -> socket.socket:
    """A listening UNIX socket of mode 0600. Replaces a stale one; raises for a live one."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
            raise DockyardError(f"Somebody listens on {path} already.")
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX)
    # The umask, not a chmod afterwards: there must be no moment at which others may connect.
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    finally:
        os.umask(before)
    server.listen(BACKLOG)
    server.setblocking(False)
    return server


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT, then remove the sockets."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    publisher = Publisher()
    way = upstream.parse(options.upstream, options.tlscacert, options.tlscert, options.tlskey)
    proxy = Proxy(way, publisher)
    servers = [
        await loop.create_unix_server(proxy.accept, sock=listening(options.listen)),
        await asyncio.start_unix_server(publisher.serve, sock=listening(options.records)),
        *[await relay.start(*relay.parse(text)) for text in options.forward],
    ]
    await stop.wait()
    for server in servers:
        server.close()
    await proxy.close()
    for path in (options.listen, options.records):
        path.unlink(missing_ok=True)


def main(arguments: list[str]) -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m dockyard.apitrace", description=__doc__)
    parser.add_argument("--listen", type=Path, required=True, help="the clients' socket")
    parser.add_argument("--records", type=Path, required=True, help="the subscribers' socket")
    parser.add_argument("--upstream", required=True, help="the daemon's address")
    for name in ("tlscacert", "tlscert", "tlskey"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--forward", action="append", default=[], metavar="HOST:PORT=HOST:PORT")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(parser.parse_args(arguments)))
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
