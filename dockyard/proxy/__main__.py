"""Runs the front door in the foreground: ``python -m dockyard.proxy``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from dockyard.exceptions import DockyardError, EngineError
from dockyard.proxy import relay, upstream
from dockyard.proxy.front_door import FrontDoor
from dockyard.proxy.hub_fallback import HubFallback


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_serve(options))
    except DockyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dockyard.proxy", description=__doc__)
    parser.add_argument("--listen", type=Path, required=True, help="the socket for clients")
    parser.add_argument(
        "--upstream",
        required=True,
        help="unix:///path, tcp://host:port, ssh://user@host or dial-stdio:CONTEXT",
    )
    parser.add_argument("--records", type=Path, required=True, help="the socket for subscribers")
    parser.add_argument("--tlscacert", type=Path, help="the CA of the daemon's certificate")
    parser.add_argument("--tlscert", type=Path, help="the client's certificate")
    parser.add_argument("--tlskey", type=Path, help="the client's key")
    parser.add_argument(
        "--forward",
        action="append",
        default=[],
        metavar="HOST:PORT=HOST:PORT",
        help="relay TCP connections from the first address to the second",
    )
    parser.add_argument(
        "--hub-fallback",
        action="append",
        default=[],
        metavar="NAME:TAG",
        help="answer pulls of this image in place of Docker Hub, if the daemon has it",
    )
    return parser


async def _serve(options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    services: list[FrontDoor | relay.Relay] = []
    daemon = None
    try:
        daemon = upstream.parse(
            options.upstream, options.tlscacert, options.tlscert, options.tlskey
        )
        for option in options.forward:
            services.append(forward := relay.Relay(*relay.parse(option)))
            forward.open()
        fallback = HubFallback(options.hub_fallback)
        services.append(door := FrontDoor(options.listen, options.records, daemon, fallback))
        await door.open()
        await stop.wait()
    except (OSError, ssl.SSLError) as error:
        raise EngineError("The front door cannot be opened.", str(error)) from error
    finally:
        for service in services:
            service.close()
        if daemon:
            await daemon.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
