"""``%wait`` waits until something is so, where a lesson would otherwise need a loop.

%wait web healthy                   a container's state or health
%wait http://127.0.0.1:8081         a server that answers
%wait docker exec boat docker ps    a command that succeeds
%wait docker node ls prints Down    a command that prints a word
"""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Callable
from contextlib import closing
from urllib.parse import SplitResult, urlsplit

import docker

from dockyard.core import docker_client, wait
from dockyard.exceptions import DockyardError, UsageError
from dockyard.notebook.shell_runner import SHELL

PATIENCE, LONGEST = 90, 300
"""Seconds: usually, and on a busy computer."""

STATES = ("created", "running", "paused", "exited", "removed", "healthy", "unhealthy")
USAGE = "For example:  %wait web healthy   or  %wait http://127.0.0.1:8081"


def until(line: str) -> str:
    """Wait for what a line says; return a sentence that says it is so.

    Raises UsageError, or DockyardError when PATIENCE is over.
    """
    words = line.split()
    if len(words) == 1 and words[0].startswith(("http://", "https://")):
        return _answers(words[0])
    if len(words) == 2 and words[1] in STATES:
        return _has_state(*words)
    if len(words) > 3 and words[0] == "docker" and words[-2] == "prints":
        return _prints(*line.strip().rsplit(maxsplit=2)[::2])
    if len(words) > 1 and words[0] == "docker":
        return _succeeds(line.strip())
    raise UsageError("Say what to wait for.", f"States are {', '.join(STATES)}.", USAGE)


def _has_state(name: str, state: str) -> str:
    seen, patience = "", wait.patience_now(PATIENCE, LONGEST)
    with closing(docker_client.connect(untraced=True)) as daemon:

        def is_so() -> bool:
            nonlocal seen
            try:
                found = daemon.api.inspect_container(name)["State"]
            except docker.errors.NotFound:
                seen = "removed"
                return state == seen
            health = (found.get("Health") or {}).get("Status", "")
            seen = f"{found['Status']}, {health}" if health else found["Status"]
            return state in (found["Status"], health)

        if not wait.within(patience, is_so, 0.1):
            raise DockyardError(
                f"After {patience:.0f} seconds {name} is not {state}.",
                f"It is {seen}.",
                f"Find out why:  docker logs {name}",
            )
    return f"{name} is {state}."


def _answers(address: str) -> str:
    place, patience = urlsplit(address), wait.patience_now(PATIENCE, LONGEST)

    def is_so() -> bool:
        with closing(_connection(place)) as to:
            try:
                to.request("GET", place.path or "/")
                return to.getresponse().status < 500
            except (OSError, http.client.HTTPException):
                return False

    if not wait.within(patience, is_so, 0.1):
        raise DockyardError(
            f"After {patience:.0f} seconds {address} does not answer.",
            next="Find out which ports are published:  docker ps",
        )
    return f"{address} answers."


def _connection(place: SplitResult) -> http.client.HTTPConnection:
    host = place.hostname or ""
    if place.scheme == "http":
        return http.client.HTTPConnection(host, place.port, timeout=5)
    # Nothing is sent but the question whether anybody is there.
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, place.port, timeout=5, context=unverified)


def _succeeds(command: str) -> str:
    _until(command, "succeeded", lambda done: done.returncode == 0)
    return f"It succeeds:  {command}"


def _prints(command: str, word: str) -> str:
    _until(command, f"printed {word}", lambda done: word in done.stdout.split())
    return f"It prints {word}:  {command}"


def _until(
    command: str, what: str, is_done: Callable[[subprocess.CompletedProcess[str]], bool]
) -> None:
    said, patience = "", wait.patience_now(PATIENCE, LONGEST)

    def is_so() -> bool:
        nonlocal said
        done = subprocess.run(
            [SHELL, "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        said = (done.stderr or done.stdout).strip()
        return is_done(done)

    if not wait.within(patience, is_so, 0.2):
        raise DockyardError(
            f"After {patience:.0f} seconds this has not {what}:  {command}",
            said[-300:],
            "Run the command alone to see what it says.",
        )
