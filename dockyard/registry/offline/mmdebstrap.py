"""Runs mmdebstrap, on this host or in a container of the engine.

mmdebstrap configures packages as root of the file system that it makes, which takes root or user
namespaces. A host without either can still unpack packages, and its engine runs containers as
root: so mmdebstrap and the programs that it calls are unpacked without being configured, imported
into the engine as an image, and run in a container.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, cast

import docker
from docker.errors import DockerException

from dockyard.engine import debian_archive, system_packages

RunMmdebstrap = Callable[[Sequence[str], int, Path], str]
"""Runs mmdebstrap with an argv that names RESULT, which it writes to a path of this host.

The number is SOURCE_DATE_EPOCH. Returns the error message, or an empty string.
"""

SUITE = "trixie"

TOOLS = (
    *("base-files", "base-passwd", "dash", "coreutils", "diffutils", "findutils", "grep", "sed"),
    *("gzip", "hostname", "libc-bin", "mawk", "mount", "perl", "tar", "util-linux", "xz-utils"),
    *("apt", "dpkg", "debian-archive-keyring", "mmdebstrap"),
)
"""mmdebstrap and the packages of the programs that it calls."""

RESULT = "/layer.tar"

PREPARE = """\
cp /usr/share/base-passwd/passwd.master /etc/passwd
cp /usr/share/base-passwd/group.master /etc/group
mkdir -p /tmp /var/tmp
chmod 1777 /tmp /var/tmp
exec "$@"
"""
"""The part of the work of TOOLS' maintainer scripts that mmdebstrap needs."""


@functools.cache
def host_can() -> bool:
    """Whether this host can configure packages: as root, or in a user namespace."""
    if os.geteuid() == 0:
        return True
    if (program := system_packages.which("mmdebstrap")) is None:
        return False
    tried = subprocess.run(
        [program, "--unshare-helper", "true"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return tried.returncode == 0


def on_host(words: Sequence[str], born: int, root: Path) -> str:
    """Run mmdebstrap on this host. See RunMmdebstrap."""
    # SOURCE_DATE_EPOCH is the latest time that mmdebstrap and dpkg write into headers of files.
    stable = {**os.environ, "SOURCE_DATE_EPOCH": str(born), "PATH": system_packages.SEARCH}
    done = subprocess.run(
        [str(root) if word == RESULT else word for word in words],
        capture_output=True,
        text=True,
        env=stable,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return "" if done.returncode == 0 else _last_errors(done.stderr)


class MmdebstrapContainer:
    """Runs mmdebstrap in containers of an engine, from an image that it makes when first used.

    The caller chooses the image's name and removes the image.
    """

    def __init__(self, client: docker.DockerClient, name: str, architecture: str) -> None:
        self.client = client
        self.name = name
        self.architecture = architecture
        self.made = False
        self.lock = threading.Lock()

    def run(self, words: Sequence[str], born: int, root: Path) -> str:
        """Run mmdebstrap in a container. See RunMmdebstrap."""
        try:
            with self.lock:
                if not self.made and (why := self._make(root.with_name("mmdebstrap.tar"), born)):
                    return why
                self.made = True
            return self._run(words, born, root)
        except (DockerException, OSError, tarfile.TarError) as error:
            return str(error)

    def _make(self, archive: Path, born: int) -> str:
        words = [
            *("fakeroot", "mmdebstrap", "--quiet", "--mode=chrootless", "--variant=extract"),
            f"--architectures={self.architecture}",
            f"--keyring={debian_archive.KEYRING}",
            f"--include={','.join(TOOLS)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            *(SUITE, RESULT, f"deb {debian_archive.mirror()} {SUITE} main"),
        ]
        if why := on_host(words, born, archive):
            return why
        repository, tag = self.name.rsplit(":", 1)
        self.client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
        archive.unlink()
        return ""

    def _run(self, words: Sequence[str], born: int, root: Path) -> str:
        container = self.client.containers.create(
            self.name,
            ["sh", "-ec", PREPARE, "sh", *words],
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
            container.start()
            if container.wait()["StatusCode"] != 0:
                return _last_errors(container.logs().decode(errors="replace"))
            packed = root.with_name("copied.tar")
            with packed.open("wb") as file:
                file.writelines(container.get_archive(RESULT)[0])
            with tarfile.open(packed) as archive, root.open("wb") as target:
                content = archive.extractfile(Path(RESULT).name)
                shutil.copyfileobj(cast(IO[bytes], content), target)  # a regular file
            packed.unlink()
        finally:
            container.remove(force=True, v=True)
        return ""


def _last_errors(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.startswith(("E:", "W:"))]
    return "\n".join(lines[-4:])[-600:] or stderr.strip()[-400:]
