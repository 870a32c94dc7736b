"""Runs mmdebstrap, on this host or in a container of the engine.

mmdebstrap is the engine root's, like the programs that it calls. It configures packages as root of
the file system that it makes, which takes root or user namespaces. A host without either still has
an engine, which runs containers as root: there mmdebstrap runs from an image of the engine root.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, cast

import docker
from docker.errors import DockerException
from docker.models.containers import Container

from dockyard.core import console, paths
from dockyard.engine import engine_root, system_packages
from dockyard.registry import programs
from dockyard.registry.offline import tools_image

RunMmdebstrap = Callable[[Sequence[str], int, Sequence[Path], Sequence[Path]], str]
"""Runs mmdebstrap with an argv that names files which it reads, and files which it writes.

The number is SOURCE_DATE_EPOCH. Returns the error message, or an empty string.
"""


@functools.cache
def host_can() -> bool:
    """Whether mmdebstrap can run on this host: as root, or in a user namespace."""
    program = programs.argv("mmdebstrap")
    if program is None:
        return False
    tried = subprocess.run(
        [*program, "--version"], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    return tried.returncode == 0


def on_host(
    words: Sequence[str], born: int, inputs: Sequence[Path], outputs: Sequence[Path]
) -> str:
    """Run mmdebstrap on this host. See RunMmdebstrap."""
    done = subprocess.run(
        [*programs.require("mmdebstrap"), *words],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PATH": system_packages.SEARCH,
            # The latest time that mmdebstrap and dpkg write into headers of files.
            "SOURCE_DATE_EPOCH": str(born),
            "LC_ALL": "C.UTF-8",
            # /tmp is often small, or in memory; but a user namespace may not reach the home.
            **({"TMPDIR": str(outputs[0].parent)} if os.geteuid() == 0 else {}),
        },
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return "" if done.returncode == 0 else _last_errors(done.stderr)


class MmdebstrapContainer:
    """Runs mmdebstrap in containers of an engine, from an image that it makes when first used.

    The caller chooses the image's name and calls forget().
    """

    def __init__(self, client: docker.DockerClient, name: str, architecture: str) -> None:
        self.client = client
        self.name = name
        self.architecture = architecture
        self.made = False
        self.lock = threading.Lock()

    def run(
        self, words: Sequence[str], born: int, inputs: Sequence[Path], outputs: Sequence[Path]
    ) -> str:
        """Run mmdebstrap in a container. See RunMmdebstrap."""
        try:
            with self.lock:
                if not self.made:
                    self._make()
                    self.made = True
            return self._run(words, born, inputs, outputs)
        except (DockerException, OSError, tarfile.TarError) as error:
            return str(error)

    def forget(self) -> None:
        """Remove the image from the engine."""
        if self.made:
            self.client.images.remove(self.name)
            self.made = False

    def _make(self) -> None:
        engine_root.fetch(console.say)
        with tempfile.TemporaryDirectory(dir=paths.home(), prefix=".mmdebstrap-") as folder:
            archive = Path(folder) / "tools.tar"
            tools_image.write(archive)
            repository, tag = self.name.rsplit(":", 1)
            self.client.api.import_image_from_file(str(archive), repository=repository, tag=tag)

    def _run(
        self, words: Sequence[str], born: int, inputs: Sequence[Path], outputs: Sequence[Path]
    ) -> str:
        container = self.client.containers.create(
            self.name,
            ["mmdebstrap", *words],
            environment={
                "SOURCE_DATE_EPOCH": str(born),
                "LC_ALL": "C.UTF-8",
                **{name: os.environ[name] for name in ("http_proxy",) if os.environ.get(name)},
            },
            # mmdebstrap mounts /proc and the like in the file system that it makes.
            privileged=True,
            # apt reaches the mirror as the engine does, whatever the settings of the bridge.
            network_mode="host",
        )
        try:
            with tempfile.TemporaryFile(dir=paths.home()) as packed:
                # The files have the same paths in the container as here.
                with tarfile.open(fileobj=packed, mode="w") as archive:
                    for folder in {file.parent for file in outputs}:
                        archive.add(folder, recursive=False)
                    for file in inputs:
                        archive.add(file)
                packed.seek(0)
                container.put_archive("/", packed)
            container.start()
            if container.wait()["StatusCode"] != 0:
                return _last_errors(container.logs().decode(errors="replace"))
            for file in outputs:
                _fetch(container, file)
        finally:
            container.remove(force=True, v=True)
        return ""


def _fetch(container: Container, file: Path) -> None:
    with tempfile.TemporaryFile(dir=file.parent) as packed:
        packed.writelines(container.get_archive(str(file))[0])
        packed.seek(0)
        with tarfile.open(fileobj=packed) as archive, file.open("wb") as target:
            content = archive.extractfile(file.name)
            shutil.copyfileobj(cast(IO[bytes], content), target)  # a regular file


def _last_errors(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.startswith(("E:", "W:"))]
    return "\n".join(lines[-4:])[-600:] or stderr.strip()[-400:]
