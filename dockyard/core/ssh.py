"""Reaches the daemon of another computer as the docker client does: by ssh, with the docker there.

``ssh HOST docker system dial-stdio`` carries one connection to that computer's daemon on its
standard input and output. The learner's own ssh settings, keys and agent are used.
"""

from __future__ import annotations

import http.client
import json
import shlex
import socket
import subprocess
from typing import Any
from urllib.parse import urlsplit

from dockyard.exceptions import UsageError

OPTIONS = (
    # Nobody can answer a question that ssh asks in the background.
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=20"),
    # A computer that went away is noticed after a minute.
    *("-o", "ServerAliveInterval=20"),
    "-T",
)

EXPLAINED = (
    ("IDENTIFICATION HAS CHANGED", "{host} has another key than before; find out why"),
    ("Host key verification failed", "this computer does not know the key of {host} yet"),
    ("Permission denied (", "{host} accepts no key of yours"),
    ("Could not resolve hostname", "there is no computer called {host}"),
    ("docker: command not found", "there is no docker command on {host}"),
    ("docker: not found", "there is no docker command on {host}"),
    ("connect: permission denied", "your user on {host} may not use its Docker daemon"),
    ("failed to open the raw stream connection", "no Docker daemon runs on {host}"),
)
"""What the last words of ssh and of the other computer's shell mean."""


def is_address(address: str) -> bool:
    """Whether this is the address of a daemon on another computer, such as ``ssh://me@host:22``."""
    return address.startswith("ssh://")


def command(address: str, *options: str) -> list[str]:
    """The words that run ``docker system dial-stdio`` there; options are further options of ssh.

    address is ``ssh://[USER@]HOST[:PORT][/SOCKET]``. Raises UsageError.
    """
    client = ["docker", "system", "dial-stdio"]
    if (socket_path := urlsplit(address).path) not in ("", "/"):
        client[1:1] = ["--host", shlex.quote(f"unix://{socket_path}")]
    return ["ssh", *OPTIONS, *options, *_destination(address), *client]


def by_hand(address: str) -> str:
    """The command with which a person finds out whether that daemon can be reached."""
    return shlex.join(["ssh", *_destination(address)]) + " docker version"


def _destination(address: str) -> list[str]:
    parts = urlsplit(address)
    host = host_of(address)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if not host or host[0] == "-" or port == 0 or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"{address!r} is not the address of a daemon on another computer.",
            "It has the form ssh://USER@HOST, with :PORT if ssh listens on another one than 22.",
        )
    user = ["-l", parts.username] if parts.username else []
    return [*user, *(["-p", str(port)] if port else []), "--", host]


def host_of(address: str) -> str:
    """The computer's name as it is written: ssh_config(5) distinguishes capital letters."""
    place = urlsplit(address).netloc.rpartition("@")[2]
    return place[1:].partition("]")[0] if place[:1] == "[" else place.partition(":")[0]


def explain(said: str, address: str) -> str:
    """The reason why a connection ended, from what ssh and the other side said; may be empty."""
    for words, meaning in EXPLAINED:
        if words in said:
            return meaning.format(host=host_of(address))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def get(address: str, path: str, timeout: float) -> tuple[int, Any]:
    """Ask that daemon one thing (Docker Engine API); returns the status and the decoded body.

    timeout is in seconds. Raises OSError, with the reason if ssh gave one.
    """
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(timeout)
        with theirs:
            process = subprocess.Popen(
                command(address),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        connection = http.client.HTTPConnection("docker")
        connection.sock = ours
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except TimeoutError:
            raise OSError(f"no answer within {timeout:g} s") from None
        except (OSError, http.client.HTTPException, ValueError):
            said = process.communicate(timeout=timeout)[1]
            raise OSError(explain(said, address) or "it does not speak as a daemon") from None
        finally:
            ours.close()
            process.terminate()
            process.communicate()
