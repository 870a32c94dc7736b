"""The registry in a container, where the program docker-registry cannot be had (macOS, Windows)."""

from __future__ import annotations

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
STORAGE = Path("/var/lib/registry")


def start(client: docker.DockerClient, name: str, port: int, port_file: Path) -> Registry:
    """Run ``registry:2``, or find it running; returns it once it answers.

    Similar to ``docker run --detach --publish 127.0.0.1:PORT:5000 --volume NAME:/var/lib/registry
    registry:2``. port is used for a new container and written to port_file. Raises RegistryError.
    """
    running = find(client, name)
    if running is not None and running.status == "running":
        registry = Registry(f"http://127.0.0.1:{_published_port(running)}")
        _wait(registry, running)
        return registry
    try:
        if running is not None:
            running.remove(force=True)
        try:
            client.images.get(IMAGE)
        except ImageNotFound:
            client.images.pull(IMAGE)
        return _run(client, name, port, port_file)
    except DockerException as error:
        raise RegistryError(
            "The course registry cannot run in a container of your engine.",
            f'The daemon says: "{getattr(error, "explanation", None) or error}"',
            "Install the program instead:  sudo apt-get install docker-registry",
        ) from None


def _run(client: docker.DockerClient, name: str, port: int, port_file: Path) -> Registry:
    own = {REGISTRY: _own(name), COURSE: "1"}
    # A named volume: files of root in a learner's home would be hard to remove.
    volume = client.volumes.create(_own(name), labels=own)
    container = client.containers.run(
        IMAGE,
        name=_own(name),
        labels=own,
        detach=True,
        ports={"5000/tcp": ("127.0.0.1", port)},
        volumes={volume.name: {"bind": str(STORAGE), "mode": "rw"}},
        environment={
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
            # What is mended in storage counts at once.
            "REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR": "",
        },
    )
    port_file.write_text(str(port))
    marker(name).write_text(f"{container.id}\n")
    registry = Registry(f"http://127.0.0.1:{port}")
    _wait(registry, container)
    return registry


def find(client: docker.DockerClient, name: str) -> Container | None:
    """The container of this home's registry, running or not."""
    found = client.containers.list(all=True, filters={"label": f"{REGISTRY}={_own(name)}"})
    return found[0] if found else None


def stop(client: docker.DockerClient, name: str) -> None:
    """Remove the container; its volume with the images stays."""
    if container := find(client, name):
        container.remove(force=True)
    marker(name).unlink(missing_ok=True)


def marker(name: str) -> Path:
    """The file that is there while a registry of this home runs in a container."""
    return paths.home() / f"{name}-container"


def remove_file(client: docker.DockerClient, name: str, path: Path) -> None:
    """Remove a file or folder of the storage, named from the storage's root."""
    if container := find(client, name):
        container.exec_run(["rm", "-r", "-f", str(STORAGE / path)])


def _own(name: str) -> str:
    return f"{paths.run_dir().name}-{name}"


def _published_port(container: Container) -> int:
    return int(container.ports["5000/tcp"][0]["HostPort"])


def _wait(registry: Registry, container: Container) -> None:
    def ready() -> bool:
        with suppress(APIError):
            container.reload()
        if container.status in ("exited", "dead"):
            raise RegistryError(
                "The course registry's container ended instead of starting.",
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
