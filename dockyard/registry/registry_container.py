"""Runs the registry in a container, where the course has no docker-registry (macOS, Windows)."""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container

from dockyard.core import paths, wait
from dockyard.core.labels import COURSE, REGISTRY
from dockyard.exceptions import RegistryError
from dockyard.registry.api import Registry

IMAGE = "registry:2"
STORAGE = "/var/lib/registry"
USERS = "/htpasswd"

READER = "registry"
WRITER = "registry-writer"

# The reader sees at once what the writer stores.
NO_CACHE = {"REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": ""}
READ_ONLY = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": "{enabled: true}"}
PASSWORD_WANTED = {
    "REGISTRY_AUTH": "htpasswd",
    "REGISTRY_AUTH_HTPASSWD_REALM": "dockyard",
    "REGISTRY_AUTH_HTPASSWD_PATH": USERS,
}


def start(client: docker.DockerClient, port: int, port_file: Path) -> Registry:
    """Run ``registry:2`` read-only, or find it running; return it once it answers.

    Similar to ``docker run --detach --publish 127.0.0.1:PORT:5000 --volume NAME:/var/lib/registry
    registry:2``. port is used for a new container and written to port_file. Raises RegistryError.
    """
    running = find(client)
    if running is not None and running.status == "running" and _is_read_only(running):
        registry = Registry(f"http://127.0.0.1:{_published_port(running)}")
        _wait(registry, running)
        return registry
    registry = Registry(f"http://127.0.0.1:{port}")
    try:
        if running is not None:
            running.remove(force=True)
        container = _create(client, READER, port, READ_ONLY)
        port_file.write_text(str(port))
        marker().write_text(f"{container.id}\n")
        container.start()
    except DockerException as error:
        raise _cannot_run(error) from None
    _wait(registry, container)
    return registry


def start_writer(client: docker.DockerClient, registry: Registry, users: str) -> None:
    """Run a second container over the same storage that takes pushes from users.

    users is the text of an htpasswd file. Raises RegistryError.
    """
    stop_writer(client)
    port = int(registry.url.rpartition(":")[2])
    try:
        container = _create(client, WRITER, port, PASSWORD_WANTED)
        container.put_archive("/", _archive(USERS, users.encode()))
        container.start()
    except DockerException as error:
        raise _cannot_run(error) from None
    _wait(registry, container)


def _create(
    client: docker.DockerClient, what: str, port: int, environment: dict[str, str]
) -> Container:
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        client.images.pull(IMAGE)
    own = {REGISTRY: _own(what), COURSE: "1"}
    # A named volume: files of root in a learner's home would be hard to remove.
    volume = client.volumes.create(_own(READER), labels={REGISTRY: _own(READER), COURSE: "1"})
    return client.containers.create(
        IMAGE,
        name=_own(what),
        labels=own,
        ports={"5000/tcp": ("127.0.0.1", port)},
        volumes={volume.name: {"bind": STORAGE, "mode": "rw"}},
        environment=NO_CACHE | environment,
    )


def _archive(path: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode = len(content), 0o600
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _cannot_run(error: DockerException) -> RegistryError:
    return RegistryError(
        "The course registry cannot run in a container of your engine.",
        f'The daemon says: "{getattr(error, "explanation", None) or error}"',
        "Install the program instead:  sudo apt-get install docker-registry",
    )


def find(client: docker.DockerClient, what: str = READER) -> Container | None:
    """The container of this home's registry or of its writer, running or not."""
    found = client.containers.list(all=True, filters={"label": f"{REGISTRY}={_own(what)}"})
    return found[0] if found else None


def stop(client: docker.DockerClient) -> None:
    """Remove the containers; their volume with the images stays."""
    stop_writer(client)
    if container := find(client):
        container.remove(force=True)
    marker().unlink(missing_ok=True)


def stop_writer(client: docker.DockerClient) -> None:
    """Remove the writer's container."""
    if container := find(client, WRITER):
        container.remove(force=True)


def marker() -> Path:
    """The file that exists while a registry of this home runs in a container."""
    return paths.home() / "registry-container"


def _own(what: str) -> str:
    return f"{paths.run_dir().name}-{what}"


def _is_read_only(container: Container) -> bool:
    environment = container.attrs["Config"]["Env"] or []
    return all(f"{name}={value}" in environment for name, value in READ_ONLY.items())


def _published_port(container: Container) -> int:
    published = container.ports.get("5000/tcp") or [{}]
    return int(published[0].get("HostPort", 0))


def _wait(registry: Registry, container: Container) -> None:
    def ready() -> bool:
        with suppress(APIError):
            container.reload()
        if container.status in ("exited", "dead"):
            raise RegistryError(
                "The course registry's container exited instead of starting.",
                container.logs(tail=5).decode(errors="replace").strip(),
                f"Read its log:  docker logs {container.name}",
            )
        return registry.answers()

    wait.until(
        "the course registry to answer",
        ready,
        timeout=60,
        error=RegistryError,
        next=f"Read its log:  docker logs {container.name}",
    )
