"""Copies images between an engine and the course registry.

An engine that can reach the registry's loopback address pushes and pulls. For one that cannot (in
a virtual machine, in namespaces of its own, on another host), images pass as archives, which
skopeo copies from the registry.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image as EngineImage

from dockyard.core import paths, private_file
from dockyard.exceptions import DiskFull, RegistryError
from dockyard.registry import programs
from dockyard.registry.api import Registry

GLOBAL = ("--insecure-policy",)
"""skopeo's default policy, which accepts images without signatures, is a file in /etc."""

FULL = ("no space left on device", "disk quota exceeded")
STALLED = 12
"""Seconds without a transfer after which a program that transfers is ended."""
LEAST = 4096
"""Bytes that count as a transfer; a server that sends one byte at a time has stalled, too."""
UNREACHABLE = ("connection refused", "no such host", "i/o timeout", "no route to host")


def push(
    registry: Registry, client: docker.DockerClient, built: EngineImage, reference: str
) -> None:
    """Store an engine's image in the registry as reference. Raises RegistryError or DiskFull."""
    repository, _, tag = reference.partition(":")
    away = f"{registry.address}/library/{repository}"
    built.tag(away, tag)
    try:
        refused = _push_one(registry, client, away, tag)
    finally:
        client.images.remove(f"{away}:{tag}", noprune=True)
    if refused:
        raise failure(f"{reference} could not be pushed to the course registry.", refused)


def _push_one(registry: Registry, client: docker.DockerClient, repository: str, tag: str) -> str:
    lines = client.images.push(
        repository, tag, stream=True, decode=True, auth_config=registry.credentials
    )
    for line in lines:
        if "error" in line:
            return line["error"]
    return ""


def pull(registry: Registry, client: docker.DockerClient, reference: str) -> EngineImage:
    """Copy an image of the registry to an engine; return it.

    The caller tags it, then calls forget(). Raises RegistryError or DiskFull.
    """
    away = f"{registry.address}/library/{reference}"
    try:
        return client.images.pull(away, auth_config=registry.credentials)
    except (APIError, ImageNotFound) as error:
        if not any(words in str(error).lower() for words in UNREACHABLE):
            raise failure(f"{reference} could not be pulled.", str(error)) from None
    return _pull_archive(registry, client, reference)


def forget(registry: Registry, client: docker.DockerClient, reference: str) -> None:
    """Remove the name that pull() gave an image on the engine."""
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
            f"--src-authfile={_authfile(registry, folder)}",
            f"--override-os={version['Os']}",
            f"--override-arch={version['Arch']}",
            what=f"{reference} could not be copied to the engine.",
        )
        return load(client, archive, reference)


def load(client: docker.DockerClient, archive: Path, reference: str) -> EngineImage:
    """Load an archive with one nameless image. Similar to ``docker load --input FILE``."""
    try:
        with archive.open("rb") as content:
            return client.images.load(content)[0]
    except DockerException as error:
        raise failure(f"{reference} could not be loaded.", str(error)) from None


def store(registry: Registry, source: str, reference: str, *options: str, what: str) -> None:
    """Copy an image into the registry with skopeo, as reference. See copy()."""
    with scratch() as folder:
        copy(
            source,
            f"docker://{registry.address}/library/{reference}",
            "--dest-tls-verify=false",
            f"--dest-authfile={_authfile(registry, folder)}",
            *options,
            what=what,
        )


def _authfile(registry: Registry, folder: Path) -> Path:
    # A file, because everybody on the computer can read the command line.
    file = folder / "auth.json"
    private_file.write(file, registry.authfile)
    return file


def copy(source: str, target: str, *options: str, what: str) -> None:
    """Copy an image with skopeo.

    what is the first line of the error. Raises RegistryError or DiskFull.
    """
    program = programs.require("skopeo")
    # skopeo takes --override-* before its command, everything else after it.
    first = [option for option in options if option.startswith("--override")]
    rest = [option for option in options if not option.startswith("--override")]
    with scratch() as folder:
        words = [
            *program,
            *GLOBAL,
            f"--tmpdir={folder}",
            *first,
            "copy",
            "--quiet",
            *rest,
            source,
            target,
        ]
        code, said = _run(words)
    if code != 0:
        raise failure(what, said)


def _run(words: list[str]) -> tuple[int, str]:
    """Run a program that transfers; return its exit code and last line.

    Ends it when nothing has come or gone for STALLED seconds.
    """
    with tempfile.TemporaryFile("w+") as log:
        with subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as running:
            seen, since = -1, time.monotonic()
            while running.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    running.wait(0.5)
                if (moved := _moved(running.pid)) - seen > LEAST:
                    seen, since = moved, time.monotonic()
                elif time.monotonic() - since > STALLED:
                    running.kill()
                    return 1, f"nothing has come for {STALLED} seconds"
        log.seek(0)
        return running.returncode, _last(log.read())


def _moved(pid: int) -> int:
    """The bytes that a process has read and written so far, sockets included (proc(5))."""
    try:
        read, written, *_ = Path(f"/proc/{pid}/io").read_text().splitlines()
    except (OSError, ValueError):
        return time.monotonic_ns()  # not Linux, or it has ended: nothing is known to stall
    return int(read.partition(":")[2]) + int(written.partition(":")[2])


def _last(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return lines[-1].partition("msg=")[2].strip('"')[:400] if lines else "skopeo gave no reason"


def failure(what: str, why: str) -> RegistryError | DiskFull:
    """An error with the words of a daemon, a registry or a program as its reason."""
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

    /tmp is often small, and may be in memory.
    """
    with tempfile.TemporaryDirectory(dir=paths.home(), prefix=".registry-") as folder:
        yield Path(folder)
