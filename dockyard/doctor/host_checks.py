"""What on this computer makes commands of Docker fail although nothing is missing.

Each function looks at one thing and yields what it noticed, as data; doctor.py shows them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dockyard.core import docker_client, paths
from dockyard.engine import discovery
from dockyard.engine.base import free_space
from dockyard.engine.discovery import Candidate
from dockyard.exceptions import EnginePermissionDenied

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
PROXY_PAGE = "https://docs.docker.com/engine/daemon/proxy/"
NEARLY_FULL = 5 * 10**9
"""Free bytes below which a disk counts as nearly full: less than images and layers of all lessons
and one build on top of them."""

EMBEDDED = "python3 -m dockyard learn --engine embedded"


@dataclass(frozen=True)
class Notice:
    """One thing noticed: what it is, why it matters and the next command, if there is one.

    subject is one of ``daemon``, ``permission``, ``proxy-client``, ``proxy-daemon``,
    ``proxy-build``, ``architecture``, ``paths`` and ``disk``; harmful tells what will make
    commands fail from what is only good to know.
    """

    subject: str
    what: str
    why: str
    next: str = ""
    harmful: bool = True


def examine(
    asked: list[Candidate], wanted: Iterable[str], platforms: Iterable[str]
) -> list[Notice]:
    """Everything noticed here. Changes nothing.

    asked is what the known places of daemons answered; wanted are the names of images and
    platforms those for which they exist, such as ``linux/amd64``.
    """
    answering = next((each for each in asked if each.verdict == "answers"), None)
    info = _info(answering)
    noticed = [
        *daemon(asked, docker_client.find()),
        *client_proxy(os.environ),
        *build_proxy(_client_config()),
        *msys_paths(os.environ),
        *disk(paths.home(), "the course keeps its images there"),
    ]
    if info:
        noticed += daemon_proxy(info, os.environ)
        noticed += architecture(info, platforms)
        noticed += foreign_images(info, discovery.images(answering.endpoint, wanted))
        root = Path(info.get("DockerRootDir") or "/nonexistent")
        # A daemon in a virtual machine names a folder of that machine.
        if root.is_dir():
            noticed += disk(root, "the daemon keeps images and containers there")
    return noticed


def _info(answering: Candidate | None) -> dict:
    if answering is None:
        return {}
    try:
        return discovery.info(answering.endpoint)
    except discovery.UNREACHABLE:
        return {}


def _client_config() -> dict:
    folder = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def daemon(asked: list[Candidate], client: str | None) -> Iterator[Notice]:
    """A client without a daemon, a daemon that is not running, one that may not be asked."""
    if any(each.verdict == "answers" for each in asked):
        return
    if denied := next((each for each in asked if each.verdict == "permission"), None):
        error = EnginePermissionDenied(denied.endpoint.address)
        yield Notice("permission", error.what, error.why, error.next)
    elif resting := next((each for each in asked if each.verdict == "refused"), None):
        yield Notice(
            "daemon",
            f"{resting.source} is installed, but its daemon is not running.",
            f"Nobody answers on {resting.endpoint.address}.",
            f"Start it (sudo systemctl start docker, or Docker Desktop), or:  {EMBEDDED}",
        )
    elif client:
        yield Notice(
            "daemon",
            f"There is a docker client ({client}), but no daemon.",
            "The client only sends requests; the daemon is a program of its own.",
            f"Use an engine of the course's own:  {EMBEDDED}",
        )


def client_proxy(environ: Mapping[str, str]) -> Iterator[Notice]:
    """Proxy variables of this shell: what they do, and whether they leave loopback alone."""
    proxies = _proxies(environ)
    if not proxies:
        return
    exempt = re.split(r"[,\s]+", environ.get("no_proxy") or environ.get("NO_PROXY") or "")
    told = ", ".join(f"{name}={_without_password(value)}" for name, value in proxies.items())
    if {"*", "localhost", "127.0.0.1"} & set(exempt):
        yield Notice(
            "proxy-client",
            f"This shell uses a proxy: {told}.",
            "docker, curl and pip started here use it; a daemon that runs already does not.",
            f"The daemon's own proxy is set as {PROXY_PAGE} says.",
            harmful=False,
        )
    else:
        yield Notice(
            "proxy-client",
            f"This shell uses a proxy for everything, this computer included: {told}.",
            "curl http://127.0.0.1:8080 would ask the proxy, which cannot reach your containers.",
            "export NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1",
        )


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    names = [form for name in PROXIES for form in (name, name.lower())]
    return {name: environ[name] for name in names if environ.get(name)}


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", address)


def daemon_proxy(info: Mapping, environ: Mapping[str, str]) -> Iterator[Notice]:
    """The daemon's own proxy (``docker info``): through it goes every pull and push."""
    proxy = info.get("HttpsProxy") or info.get("HttpProxy") or ""
    if proxy:
        but = f", except to {info['NoProxy']}" if info.get("NoProxy") else ""
        yield Notice(
            "proxy-daemon",
            f"The daemon pulls and pushes through a proxy: {_without_password(proxy)}{but}.",
            "Containers and builds do not: they have settings of their own.",
            f"Change it as {PROXY_PAGE} says.",
            harmful=False,
        )
    elif _proxies(environ):
        yield Notice(
            "proxy-daemon",
            "This shell uses a proxy, but the daemon does not.",
            "docker pull is done by the daemon: where only the proxy leads out, it will fail.",
            f"Set the daemon's proxy as {PROXY_PAGE} says.",
        )


def build_proxy(config: Mapping) -> Iterator[Notice]:
    """Proxies that the learner's own client gives to containers and builds (``proxies``)."""
    proxies = config.get("proxies")
    for where, settings in proxies.items() if isinstance(proxies, dict) else ():
        values = [str(value) for value in dict(settings).values() if value]
        if values:
            yield Notice(
                "proxy-build",
                f"Your docker client hands a proxy to containers and builds ({where}): "
                f"{', '.join(map(_without_password, values))}.",
                "It is in config.json of the client. Lessons have a configuration of their own, "
                "so their builds do without it and need no Internet.",
                "See https://docs.docker.com/engine/cli/proxy/",
                harmful=False,
            )


def architecture(info: Mapping, platforms: Iterable[str]) -> Iterator[Notice]:
    """A daemon for whose architecture the course has no images, or unlike this computer's."""
    has = {platform.partition("/")[2] for platform in platforms}
    found = discovery.in_dockers_words(info.get("Architecture", ""))
    if found not in has:
        yield Notice(
            "architecture",
            f"The daemon runs on {found}; the images of the lessons are for "
            f"{' and '.join(sorted(has))}.",
            "A program of another architecture ends with 'exec format error'.",
            "Use a computer or a daemon of one of these architectures.",
        )
    elif found != discovery.architecture():
        yield Notice(
            "architecture",
            f"The daemon runs on {found}, this computer is {discovery.architecture()}.",
            "Images are pulled for the daemon's architecture. What you build runs there, not here.",
            harmful=False,
        )


def foreign_images(info: Mapping, found: Mapping[str, str]) -> Iterator[Notice]:
    """Images of the lessons, by name, that the daemon has for an architecture not its own."""
    own = discovery.in_dockers_words(info.get("Architecture", ""))
    for name, is_for in sorted(found.items()):
        if is_for != own:
            yield Notice(
                "architecture",
                f"The image {name} on your daemon is for {is_for}; the daemon is {own}.",
                "Its programs end with 'exec format error', or run slowly in an emulator.",
                f"docker pull --platform linux/{own} {name}",
            )


def msys_paths(environ: Mapping[str, str]) -> Iterator[Notice]:
    """Git Bash and other MSYS shells on Windows, which rewrite what looks like a path."""
    shell = environ.get("MSYSTEM", "")
    if not shell or environ.get("MSYS_NO_PATHCONV"):
        return
    yield Notice(
        "paths",
        f"This shell ({shell}, as in Git Bash) rewrites arguments that look like paths.",
        "-v /data arrives as C:/Program Files/Git/data, and docker exec web /bin/sh finds no file.",
        "export MSYS_NO_PATHCONV=1",
    )


def disk(folder: Path, role: str) -> Iterator[Notice]:
    """A disk that is nearly full."""
    free = free_space(folder)
    if free < NEARLY_FULL:
        yield Notice(
            "disk",
            f"The disk of {folder} is nearly full: {free / 1e9:.1f} GB are free; {role}.",
            "A full disk ends pulls and builds with 'no space left on device'.",
            "docker system df   (shows what takes the space, and how much could be given back)",
        )
