"""The registry as a background process on loopback, its storage in the home."""

from __future__ import annotations

import json
import socket

import requests

from dockyard import paths, wait
from dockyard.engine import packages
from dockyard.engine.base import Say
from dockyard.exceptions import RegistryError
from dockyard.process import Service
from dockyard.registry.api import Registry

PROGRAM = "docker-registry"
PACKAGES = {
    PROGRAM: "docker-registry",
    "skopeo": "skopeo",
    "mmdebstrap": "mmdebstrap",
}
"""The programs the registry and its filling need, each with its Debian package."""

CONFIG = """\
version: 0.1
log:
  accesslog:
    disabled: true
  level: warn
storage:
  filesystem:
    rootdirectory: {storage}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:{port}
"""

service = Service("registry")


def start(say: Say, *, install: bool = False) -> Registry:
    """Start the registry, or find it running; returns it once it answers.

    The port is the kernel's choice at first and then stays, because engines remember it.
    Raises RegistryError, InstallRefused or InstallFailed.
    """
    packages.install(packages.missing(PACKAGES), say, agreed=install)
    port = _port()
    registry = Registry(f"http://127.0.0.1:{port}")
    if service.process() and registry.answers():
        return registry
    service.stop()
    config = paths.home() / "registry.yml"
    storage = paths.home() / "registry"
    storage.mkdir(parents=True, exist_ok=True)
    config.write_text(CONFIG.format(storage=json.dumps(str(storage)), port=port))
    service.start([packages.which(PROGRAM), "serve", config])
    wait.until(
        "the course registry to answer",
        lambda: registry.answers() or _raise_if_ended(),
        timeout=30,
        log=service.log,
        error=RegistryError,
        next="Try again:  python3 -m dockyard engine start",
    )
    return registry


def find() -> Registry:
    """The registry of this home that runs now. Raises RegistryError."""
    registry = Registry(f"http://127.0.0.1:{_port()}")
    if not registry.answers():
        raise RegistryError(
            "The course registry is not running.",
            next="Start it with the engine:  python3 -m dockyard engine start",
        )
    return registry


def stop() -> None:
    """End the registry; its storage stays."""
    service.stop()


def _port() -> int:
    remembered = paths.home() / "registry-port"
    try:
        port = int(remembered.read_text())
    except (OSError, ValueError):
        port = 0
    if port and (service.process() or _is_free(port)):
        return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    remembered.write_text(str(port))
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _raise_if_ended() -> None:
    if service.process() is None:
        raise RegistryError(
            "The course registry ended instead of starting.",
            wait.tail(service.log, 5),
            f"Read {service.log}; check the free space on the disk, then start again.",
        )


def hub_answers(address: str, timeout: float = 3) -> bool:
    """Whether Docker Hub, or what stands in for it, can be reached. timeout is in seconds."""
    try:
        return requests.get(f"{address}/v2/", timeout=timeout).status_code in (200, 401)
    except requests.RequestException:
        return False
