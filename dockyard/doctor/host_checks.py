"""Finds circumstances that make Docker commands fail although nothing is missing.

Each function looks at one circumstance and yields a Notice for what it finds.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockyard.core import docker_client, paths
from dockyard.engine import discovery
from dockyard.engine.base import free_space
from dockyard.engine.discovery import Candidate
from dockyard.exceptions import EnginePermissionDenied

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
PROXY_PAGE = "https://docs.docker.com/engine/daemon/proxy/"
NEARLY_FULL = 5 * 10**9
"""Free bytes below which a disk counts as nearly full: what the images of all lessons need, and one
build on top of them."""

EMBEDDED = "python3 -m dockyard learn --engine embedded"


@dataclass(frozen=True)
class Notice:
    """One circumstance: what it is, why it matters and the next command, if there is one.

    subject is one of ``daemon``, ``permission``, ``proxy-client``, ``proxy-daemon``,
    ``proxy-build``, ``architecture``, ``paths`` and ``disk``. A harmful one will make commands
    fail; the others are only good to know.
    """

    subject: str
    what: str
    why: str
    next: str = ""
    harmful: bool = True


def examine(asked: list[Candidate]) -> list[Notice]:
    """All notices for this computer. Changes nothing.

    asked are the results of probing the known endpoints.
    """
    answering = next((each for each in asked if each.verdict == "answers"), None)
    noticed = [
        *daemon(asked, docker_client.find()),
        *client_proxy(os.environ),
        *build_proxy(_client_config()),
        *msys_paths(os.environ),
        *disk(paths.home(), "the course keeps its images there"),
    ]
    if answering and (info := discovery.info(answering.endpoint)):
        # It brings in the Docker SDK, which takes a tenth of a second.
        from dockyard.registry import image_catalog

        wanted = [image.reference for image in image_catalog.images()]
        noticed += daemon_proxy(info, os.environ)
        noticed += architecture(info, set(image_catalog.platforms()))
        noticed += foreign_images(info, discovery.images(answering.endpoint, wanted))
        root = Path(info.get("DockerRootDir") or "/nonexistent")
        # A daemon in a virtual machine reports a folder of that machine.
        if root.is_dir():
            noticed += disk(root, "the daemon keeps images and containers there")
    return noticed


def _client_config() -> dict[str, Any]:
    folder = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def daemon(asked: list[Candidate], client: str | None) -> Iterator[Notice]:
    """No daemon, a daemon that is not running, or one that this user may not use."""
    if any(each.verdict == "answers" for each in asked):
        return
    if denied := next((each for each in asked if each.verdict == "permission"), None):
        error = EnginePermissionDenied(denied.endpoint.address)
        yield Notice("permission", error.what, error.why, error.next)
    elif stopped := next((each for each in asked if each.verdict == "refused"), None):
        yield Notice(
            "daemon",
            f"{stopped.source} is installed, but its daemon is not running.",
            f"Nothing answers on {stopped.endpoint.address}.",
            f"Start it (sudo systemctl start docker, or Docker Desktop), or:  {EMBEDDED}",
        )
    elif client:
        yield Notice(
            "daemon",
            f"There is a docker client ({client}), but no daemon.",
            "The client only sends requests; the daemon is a separate program.",
            f"Let the course start a daemon:  {EMBEDDED}",
        )


def client_proxy(environ: Mapping[str, str]) -> Iterator[Notice]:
    """Proxy variables of this shell, and whether they exempt loopback addresses."""
    proxies = _proxies(environ)
    if not proxies:
        return
    exempt = re.split(r"[,\s]+", environ.get("no_proxy") or environ.get("NO_PROXY") or "")
    told = ", ".join(f"{name}={_without_password(value)}" for name, value in proxies.items())
    if {"*", "localhost", "127.0.0.1"} & set(exempt):
        yield Notice(
            "proxy-client",
            f"This shell uses a proxy: {told}.",
            "docker, curl and pip use it when started here; a running daemon does not.",
            f"To set the daemon's proxy, see {PROXY_PAGE}",
            harmful=False,
        )
    else:
        yield Notice(
            "proxy-client",
            f"This shell uses a proxy for all addresses, including this computer's own: {told}.",
            "curl http://127.0.0.1:8080 asks the proxy, which cannot reach your containers.",
            "export NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1",
        )


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    names = [form for name in PROXIES for form in (name, name.lower())]
    return {name: environ[name] for name in names if environ.get(name)}


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", address)


def daemon_proxy(info: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Notice]:
    """The daemon's proxy (``docker info``), which it uses for every pull and push."""
    proxy = info.get("HttpsProxy") or info.get("HttpProxy") or ""
    if proxy:
        but = f", except to {info['NoProxy']}" if info.get("NoProxy") else ""
        yield Notice(
            "proxy-daemon",
            f"The daemon pulls and pushes through a proxy: {_without_password(proxy)}{but}.",
            "Containers and builds do not use it; they have separate settings.",
            f"To change it, see {PROXY_PAGE}",
            harmful=False,
        )
    elif _proxies(environ):
        yield Notice(
            "proxy-daemon",
            "This shell uses a proxy, but the daemon does not.",
            "The daemon pulls images itself; this fails if only the proxy reaches the Internet.",
            f"To set the daemon's proxy, see {PROXY_PAGE}",
        )


def build_proxy(config: Mapping[str, Any]) -> Iterator[Notice]:
    """Proxies that the learner's own client sets in containers and builds (``proxies``)."""
    proxies = config.get("proxies")
    for where, settings in proxies.items() if isinstance(proxies, dict) else ():
        values = [str(value) for value in dict(settings).values() if value]
        if values:
            yield Notice(
                "proxy-build",
                f"Your docker client sets a proxy in containers and builds ({where}): "
                f"{', '.join(map(_without_password, values))}.",
                "The proxy is set in the client's config.json. Lessons use another configuration; "
                "their builds have no proxy and need no Internet.",
                "See https://docs.docker.com/engine/cli/proxy/",
                harmful=False,
            )


def architecture(info: Mapping[str, Any], platforms: Iterable[str]) -> Iterator[Notice]:
    """A daemon whose architecture has no course images, or differs from this computer's."""
    has = {platform.partition("/")[2] for platform in platforms}
    found = discovery.docker_architecture(info.get("Architecture", ""))
    if found not in has:
        yield Notice(
            "architecture",
            f"The daemon runs on {found}; the lessons' images are for {' and '.join(sorted(has))}.",
            "Programs for another architecture fail with 'exec format error'.",
            "Use a computer or a daemon of one of these architectures.",
        )
    elif found != discovery.architecture():
        yield Notice(
            "architecture",
            f"The daemon runs on {found}, this computer is {discovery.architecture()}.",
            "Images are pulled and built for the daemon's architecture.",
            harmful=False,
        )


def foreign_images(info: Mapping[str, Any], found: Mapping[str, str]) -> Iterator[Notice]:
    """Images of the lessons whose architecture is not the daemon's; found maps name to it."""
    own = discovery.docker_architecture(info.get("Architecture", ""))
    for name, is_for in sorted(found.items()):
        if is_for != own:
            yield Notice(
                "architecture",
                f"The image {name} on your daemon is for {is_for}; the daemon is {own}.",
                "Its programs fail with 'exec format error', or run slowly in an emulator.",
                f"docker pull --platform linux/{own} {name}",
            )


def msys_paths(environ: Mapping[str, str]) -> Iterator[Notice]:
    """Git Bash and other MSYS shells on Windows, which rewrite arguments that look like paths."""
    shell = environ.get("MSYSTEM", "")
    if not shell or environ.get("MSYS_NO_PATHCONV"):
        return
    yield Notice(
        "paths",
        f"This shell ({shell}, as in Git Bash) rewrites arguments that look like paths.",
        "-v /data becomes C:/Program Files/Git/data, and docker exec web /bin/sh finds no file.",
        "export MSYS_NO_PATHCONV=1",
    )


def disk(folder: Path, role: str) -> Iterator[Notice]:
    """A disk that is nearly full; role says what the course uses it for."""
    free = free_space(folder)
    if free < NEARLY_FULL:
        yield Notice(
            "disk",
            f"The disk of {folder} is nearly full: {free / 1e9:.1f} GB are free; {role}.",
            "On a full disk, pulls and builds fail with 'no space left on device'.",
            "docker system df   (shows what takes the space, and how much can be freed)",
        )
