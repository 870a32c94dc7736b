"""Lab 00: start here."""

from __future__ import annotations

from dockyard.core import docker_client
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import NotYet, brief

NEVER_STARTED = "125"
"""The exit code of ``docker run`` when the daemon cannot create the container."""


def word(probe: Probe) -> str:
    """The file holds the word."""
    written = probe.file("word.txt")
    if probe["TOKEN"] not in written:
        raise NotYet(f"word.txt says {brief(written)!r}.")
    return f"word.txt says {probe['TOKEN']}."


def usage(probe: Probe) -> str:
    """The file holds the help."""
    written = probe.file("help.txt")
    if "docker run" not in written or "--name" not in written:
        raise NotYet(f"help.txt says {brief(written)!r}.")
    return "help.txt has the help about docker run."


def in_use(probe: Probe) -> str:
    """The file names the course's context."""
    written = probe.file("context.txt")
    if docker_client.CONTEXT not in written.split():
        raise NotYet(f"context.txt says {brief(written)!r}.")
    return f"context.txt says {docker_client.CONTEXT}."


def hello(probe: Probe) -> str:
    """The container has run, and is kept."""
    name = probe["HELLO"]
    try:
        container = probe.kept(name)
    except NotYet as found:
        if found.mistake:
            raise
        for each in probe.daemon.containers.list(all=True, ignore_removed=True):
            if name in (each.attrs["Config"]["Cmd"] or []):
                raise NotYet(
                    f"{found.saw} There is one that was told to run {name!r}.",
                    mistake="name-after-the-image",
                ) from None
        raise
    if container.attrs["Image"] != probe.image("hello-world:latest").id:
        raise NotYet(f"{name} was made from {container.attrs['Config']['Image']}.")
    if container.status != "exited":
        raise NotYet(f"{name} is {container.status}; its program has not run.")
    return f"{name} has said hello, has ended, and is kept."


def both(probe: Probe) -> str:
    """The file shows that client and daemon have answered."""
    written = probe.file("versions.txt")
    if written.startswith("Docker version"):
        raise NotYet(f"versions.txt says {brief(written)!r}.", mistake="only-the-client-was-asked")
    daemon = probe.daemon.version()["Version"]
    if daemon not in written:
        raise NotYet(f"versions.txt does not have the daemon's version: {brief(written)!r}.")
    others = [line for line in written.splitlines() if any(map(str.isdigit, line))]
    if len(others) < 2 and written.count(".") < 3:
        raise NotYet(f"versions.txt has one version only: {brief(written)!r}.")
    return "versions.txt has two versions: the client was there, and so was the daemon."


def code(probe: Probe) -> str:
    """The file holds the exit code of that command, not of the next one."""
    written = probe.file("code.txt").strip()
    if written != NEVER_STARTED:
        raise NotYet(
            f"code.txt says {brief(written)!r}.",
            mistake="exit-code-of-another" if written == "0" else None,
            expected="the exit code of docker run when there is no image to run.",
        )
    return f"code.txt says {written}: docker run could not make a container."
