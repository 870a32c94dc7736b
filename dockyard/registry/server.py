"""The course registry: a process on loopback, its storage in the store (paths.store()).

The registry that keeps running is read-only, because everybody on the computer and every
container can reach it. Whatever stores images opens a second registry over the same storage
(writer()), which wants a password and exits when the images are stored.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import bcrypt
import docker

from dockyard.core import paths, ports, private_file, shared_store, wait
from dockyard.core.console import Say
from dockyard.core.process import Lock, Service
from dockyard.engine import engine_root
from dockyard.exceptions import Busy, RegistryError, UnwritableFolder
from dockyard.registry import programs
from dockyard.registry import registry_container as container
from dockyard.registry.api import Registry

PROGRAM = "docker-registry"

READER = Service("registry")
WRITER = Service("registry-writer")


def storage() -> Path:
    """The folder with the blobs, manifests and tags."""
    return paths.store() / "registry"


def _config(service: Service) -> Path:
    return paths.home() / f"{service.name}.yml"


def _users() -> Path:
    return paths.home() / f"{WRITER.name}.htpasswd"


def _port_file() -> Path:
    return paths.home() / "registry-port"


def _port() -> int:
    """The remembered port, or 0."""
    try:
        return int(_port_file().read_text())
    except (OSError, ValueError):
        return 0


def start(say: Say, *, client: docker.DockerClient | None = None) -> Registry:
    """Start the registry, or find it running; return it once it answers.

    The kernel chooses the port the first time; later starts use it again, because engines
    remember it. Where the course cannot have the program docker-registry, client's engine runs
    the registry in a container. Raises RegistryError, UnwritableFolder, InstallFailed or
    DiskFull.
    """
    _prepare()
    _stop_forgotten_writer(client)
    with Lock("start-registry"):
        running = Registry(f"http://127.0.0.1:{_port()}")
        if READER.process() and _is_read_only(_port()) and running.answers():
            return running
        if client is not None and not engine_root.can_be_had():
            return container.start(client, ports.choose(_port()), _port_file())
        engine_root.program(PROGRAM, say)
        READER.stop(given=("serve", str(_config(READER))))
        port = ports.choose(_port())
        _port_file().write_text(str(port))
        reader = Registry(f"http://127.0.0.1:{port}")
        _serve(READER, _reader_config(port), reader)
        return reader


def _prepare() -> None:
    try:
        storage().mkdir(parents=True, exist_ok=True)
        _config(READER).touch(mode=0o600)
    except OSError as error:
        raise UnwritableFolder(paths.home(), f"{error.strerror}.") from None


def _base_config(port: int) -> dict[str, Any]:
    # No cache of blob descriptors: the reader sees at once what the writer stores.
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage())}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }


def _reader_config(port: int) -> str:
    config = _base_config(port)
    config["storage"]["maintenance"] = {"readonly": {"enabled": True}}
    return json.dumps(config, indent=1) + "\n"  # JSON is YAML


def _writer_config(port: int) -> str:
    config = _base_config(port)
    config["auth"] = {"htpasswd": {"realm": "dockyard", "path": str(_users())}}
    return json.dumps(config, indent=1) + "\n"


def _is_read_only(port: int) -> bool:
    """Whether the running registry is configured as today; earlier editions let anybody write."""
    with suppress(OSError):
        return _config(READER).read_text() == _reader_config(port)
    return False


def _serve(service: Service, config: str, registry: Registry) -> None:
    program = programs.require(PROGRAM)
    private_file.write(_config(service), config)
    service.start([*program, "serve", _config(service)])
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


@contextmanager
def writer(client: docker.DockerClient | None = None) -> Iterator[Registry]:
    """A registry over the same storage that takes pushes, for the length of a ``with``.

    It listens on a port of its own and wants a password that nobody else knows. client is the
    engine of a registry in a container. Raises RegistryError, or Busy when another command has
    been storing images for half an hour.
    """
    shared_store.require_writable("An image of the lessons")
    with Lock(WRITER.name, timeout=1800):
        port = ports.choose()
        registry = Registry(f"http://127.0.0.1:{port}", password=secrets.token_urlsafe(32))
        try:
            if in_container():
                container.start_writer(_client_of_container(client), registry, _htpasswd(registry))
            else:
                WRITER.stop()
                private_file.write(_users(), _htpasswd(registry))
                _serve(WRITER, _writer_config(port), registry)
            yield registry
        finally:
            _stop_writer(client)


def _htpasswd(registry: Registry) -> str:
    # The lowest cost: nobody can guess a random password, and each request is checked.
    hashed = bcrypt.hashpw(registry.password.encode(), bcrypt.gensalt(rounds=4))
    return f"{registry.USER}:{hashed.decode()}\n"


def _client_of_container(client: docker.DockerClient | None) -> docker.DockerClient:
    if client is None:
        raise RegistryError(
            "The course registry runs in a container, and its engine does not answer.",
            next="Start the engine:  python3 -m dockyard engine start",
        )
    return client


def _stop_writer(client: docker.DockerClient | None) -> None:
    WRITER.stop()
    for file in (_users(), _config(WRITER)):
        file.unlink(missing_ok=True)
    if client is not None and in_container():
        container.stop_writer(client)


def _stop_forgotten_writer(client: docker.DockerClient | None) -> None:
    """Stop the writer of a command that was killed."""
    with suppress(Busy), Lock(WRITER.name, timeout=0):
        _stop_writer(client)


def find() -> Registry:
    """The registry of this home, if it is running. Raises RegistryError."""
    registry = Registry(f"http://127.0.0.1:{_port()}")
    if not registry.answers():
        raise RegistryError(
            "The course registry is not running.",
            next="Start it with the engine:  python3 -m dockyard engine start",
        )
    return registry


@contextmanager
def available(say: Say) -> Iterator[Registry]:
    """The course registry: the running one, else one started for the length of a ``with``."""
    try:
        running, ours = find(), False
    except RegistryError:
        running, ours = start(say), True
    try:
        yield running
    finally:
        if ours:
            stop()


def stop(client: docker.DockerClient | None = None) -> None:
    """Stop the registry; its storage stays. client is the engine of a registry in a container."""
    _stop_writer(client)
    READER.stop(given=("serve", str(_config(READER))))
    if client is not None:
        container.stop(client)


def in_container() -> bool:
    """Whether this home's registry runs on the engine, so that stop() needs its client."""
    return container.marker().exists()
