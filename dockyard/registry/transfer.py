"""Images on their way between an engine and the course registry.

An engine that can reach the registry's loopback address pushes and pulls. One that lives in a
machine of its own (a virtual machine, another host) gets and gives an archive instead, and
skopeo does the way between archive and registry.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image as EngineImage

from dockyard.core import paths
from dockyard.engine import system_packages
from dockyard.exceptions import DiskFull, RegistryError
from dockyard.registry.api import Registry

FULL = ("no space left on device", "disk quota exceeded")
UNREACHABLE = ("connection refused", "no such host", "i/o timeout", "no route to host")


def push(
    registry: Registry, client: docker.DockerClient, built: EngineImage, reference: str
) -> None:
    """Store an engine's image in the registry as reference. Raises RegistryError or DiskFull."""
    repository, _, tag = reference.partition(":")
    away = f"{registry.address}/library/{repository}"
    built.tag(away, tag)
    try:
        refused = _push_one(client, away, tag)
    finally:
        client.images.remove(f"{away}:{tag}", noprune=True)
    if refused and any(words in refused.lower() for words in UNREACHABLE):
        _push_archive(registry, client, built, reference)
    elif refused:
        raise failure(f"{reference} could not be pushed to the course registry.", refused)


def _push_one(client: docker.DockerClient, repository: str, tag: str) -> str:
    for line in client.images.push(repository, tag, stream=True, decode=True):
        if "error" in line:
            return line["error"]
    return ""


def _push_archive(
    registry: Registry, client: docker.DockerClient, built: EngineImage, reference: str
) -> None:
    with scratch() as folder:
        archive = folder / "image.tar"
        with archive.open("wb") as file:
            file.writelines(client.images.get(built.id).save())
        copy(
            f"docker-archive:{archive}",
            f"docker://{registry.address}/library/{reference}",
            "--dest-tls-verify=false",
            what=f"{reference} could not be stored in the course registry.",
        )


def pull(registry: Registry, client: docker.DockerClient, reference: str) -> EngineImage:
    """Bring an image of the registry to an engine, under no name that lasts; return it.

    Raises RegistryError or DiskFull. The caller gives it a name before anybody prunes.
    """
    away = f"{registry.address}/library/{reference}"
    try:
        return client.images.pull(away)
    except (APIError, ImageNotFound) as error:
        if not any(words in str(error).lower() for words in UNREACHABLE):
            raise failure(f"{reference} could not be pulled.", str(error)) from None
    return _pull_archive(registry, client, reference)


def forget(registry: Registry, client: docker.DockerClient, reference: str) -> None:
    """Take back the name that pull() left on the engine."""
    with suppress(ImageNotFound):
        client.images.remove(f"{registry.address}/library/{reference}", noprune=True)


def _pull_archive(registry: Registry, client: docker.DockerClient, reference: str) -> EngineImage:
    with scratch() as folder:
        archive = folder / "image.tar"
        version = client.version()
        copy(
            f"docker://{registry.address}/library/{reference}",
            f"docker-archive:{archive}",
            "--src-tls-verify=false",
            f"--override-os={version['Os']}",
            f"--override-arch={version['Arch']}",
            what=f"{reference} could not be brought to the engine.",
        )
        return load(client, archive, reference)


def load(client: docker.DockerClient, archive: Path, reference: str) -> EngineImage:
    """Load an archive with one image and no name. Similar to ``docker load --input FILE``."""
    try:
        with archive.open("rb") as content:
            return client.images.load(content)[0]
    except DockerException as error:
        raise failure(f"{reference} could not be loaded.", str(error)) from None


def copy(source: str, target: str, *options: str, what: str) -> None:
    """Copy an image with skopeo. what is the error's first line. Raises RegistryError, DiskFull."""
    program = system_packages.which("skopeo")
    if program is None:
        raise RegistryError(
            what,
            "The program skopeo is not installed.",
            "Install it:  sudo apt-get install skopeo   (macOS: brew install skopeo)",
        )
    # skopeo takes --override-* before its command, everything else after it.
    first = [option for option in options if option.startswith("--override")]
    rest = [option for option in options if not option.startswith("--override")]
    with scratch() as folder:
        words = [program, f"--tmpdir={folder}", *first, "copy", "--quiet", *rest, source, target]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise failure(what, _last(done.stderr))


def _last(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return lines[-1].partition("msg=")[2].strip('"')[:400] if lines else "skopeo gave no reason"


def failure(what: str, why: str) -> RegistryError | DiskFull:
    """The error that fits the words of a daemon, a registry or a program."""
    if any(words in why.lower() for words in FULL):
        return DiskFull(
            what, f'"{why}"', "Free some space, then:  python3 -m dockyard registry fill"
        )
    return RegistryError(
        what, f'"{why}"', "Check the network, then:  python3 -m dockyard registry fill"
    )


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in the home for large files, removed afterwards.

    The temporary folder of a machine is often small, and may be memory.
    """
    with tempfile.TemporaryDirectory(dir=paths.home(), prefix=".registry-") as folder:
        yield Path(folder)
