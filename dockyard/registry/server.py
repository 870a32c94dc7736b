"""The registry as a background process on loopback, its storage in the home."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from dockyard.core import paths, ports, wait
from dockyard.core.console import Say
from dockyard.core.process import Lock, Service
from dockyard.engine import debian_archive, system_packages
from dockyard.exceptions import PortInUse, RegistryError, UnwritableFolder
from dockyard.registry import registry_container as container
from dockyard.registry.api import Registry

PROGRAM = "docker-registry"
PACKAGES = {
    PROGRAM: "docker-registry",
    "skopeo": "skopeo",
    "mmdebstrap": "mmdebstrap",
}
"""The programs the registry and its filling need, each with its Debian package."""

NAME = "registry"
"""The course registry's name. A second registry in the same home has another."""


@dataclass(frozen=True)
class Place:
    """Where a registry of this home keeps what it needs, by its name."""

    name: str = NAME

    @property
    def storage(self) -> Path:
        """The folder with the blobs."""
        return paths.home() / self.name

    @property
    def config(self) -> Path:
        """The configuration file, written at each start."""
        return paths.home() / f"{self.name}.yml"

    @property
    def port_file(self) -> Path:
        """The remembered port."""
        return paths.home() / f"{self.name}-port"

    @property
    def service(self) -> Service:
        """The background process."""
        return Service(self.name)

    def prepare(self) -> None:
        """Make the folder. Raises UnwritableFolder."""
        try:
            self.storage.mkdir(parents=True, exist_ok=True)
            self.config.touch()
        except OSError as error:
            raise UnwritableFolder(paths.home(), f"{error.strerror}.") from None

    def port(self) -> int:
        """The remembered port, or 0."""
        try:
            return int(self.port_file.read_text())
        except (OSError, ValueError):
            return 0


def start(
    say: Say,
    *,
    install: bool = False,
    client: docker.DockerClient | None = None,
    name: str = NAME,
    port: int | None = None,
) -> Registry:
    """Start the registry, or find it running; returns it once it answers.

    The port is the kernel's choice at first and then stays, because engines remember it; one
    that is asked for must be free. Where the program docker-registry cannot be had, client's
    engine runs it in a container. Raises RegistryError, PortInUse, UnwritableFolder,
    InstallRefused or InstallFailed.
    """
    place = Place(name)
    place.prepare()
    with Lock(f"start-{name}"):
        running = Registry(f"http://127.0.0.1:{place.port()}")
        if port in (None, place.port()) and place.service.process() and running.answers():
            return running
        if _wants_container(client):
            return container.start(client, name, _choose_port(place, port), place.port_file)
        system_packages.install(_missing(), say, agreed=install)
        place.service.stop()
        return _start_process(place, _choose_port(place, port))


def _missing() -> list[str]:
    wanted = system_packages.missing(PACKAGES)
    # apt on Ubuntu does not know the keys that Debian's packages are signed with.
    if system_packages.which("apt-get") and not debian_archive.KEYRING.exists():
        wanted.append("debian-archive-keyring")
    return wanted


def _wants_container(client: docker.DockerClient | None) -> bool:
    if client is None or system_packages.which(PROGRAM):
        return False
    return system_packages.which("apt-get") is None or os.geteuid() != 0


def _start_process(place: Place, port: int) -> Registry:
    # JSON is YAML. No cache of blob descriptors: what is mended in storage counts at once.
    config = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(place.storage)},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)},
    }
    place.config.write_text(json.dumps(config, indent=1) + "\n")
    place.port_file.write_text(str(port))
    registry = Registry(f"http://127.0.0.1:{port}")
    service = place.service
    service.start([system_packages.which(PROGRAM), "serve", place.config])
    wait.until(
        "the course registry to answer",
        lambda: (
            registry.answers()
            or service.raise_if_ended(
                RegistryError,
                "The course registry",
                f"Read {service.log}; check the free space on the disk, then start again.",
            )
        ),
        timeout=30,
        log=service.log,
        error=RegistryError,
        next="Try again:  python3 -m dockyard engine start",
    )
    return registry


def find(name: str = NAME) -> Registry:
    """The registry of this home that runs now. Raises RegistryError."""
    registry = Registry(f"http://127.0.0.1:{Place(name).port()}")
    if not registry.answers():
        raise RegistryError(
            "The course registry is not running.",
            next="Start it with the engine:  python3 -m dockyard engine start",
        )
    return registry


@contextmanager
def available(say: Say) -> Iterator[Registry]:
    """The course registry: the one that runs, else one started for the length of a ``with``."""
    try:
        running, ours = find(), False
    except RegistryError:
        running, ours = start(say), True
    try:
        yield running
    finally:
        if ours:
            stop()


def stop(name: str = NAME, client: docker.DockerClient | None = None) -> None:
    """End the registry; its storage stays. client is the engine of a registry in a container."""
    Place(name).service.stop()
    if client is not None:
        container.stop(client, name)


def in_container(name: str = NAME) -> bool:
    """Whether this home's registry runs on the engine, so that stop() needs a client of it."""
    return container.marker(name).exists()


def discard_blob(digest: str, name: str = NAME, client: docker.DockerClient | None = None) -> None:
    """Remove a damaged blob from the registry's storage, so that it can be stored again.

    A registry keeps what it has under a digest and never looks whether it still fits, so
    neither a push nor ``DELETE /v2/NAME/blobs/DIGEST`` would replace it.
    """
    algorithm, _, number = digest.partition(":")
    path = Path("docker/registry/v2/blobs") / algorithm / number[:2] / number
    if client is not None and container.find(client, name):
        container.remove_file(client, name, path)
    else:
        shutil.rmtree(Place(name).storage / path, ignore_errors=True)


def _choose_port(place: Place, asked: int | None) -> int:
    if asked is None:
        return ports.choose(place.port())
    if not ports.is_free(asked):
        raise PortInUse(asked)
    return asked
