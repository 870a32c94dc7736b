"""Makes a layer of one static program and a few files: nothing is installed, and nothing run."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path, PurePosixPath

from dockyard.core import paths
from dockyard.engine import debian_archive
from dockyard.registry.image_catalog import Image
from dockyard.registry.offline import layer_tar

PROGRAM = "bin/busybox"
MODES = {"root": 0o700, "tmp": 0o1777}
"""The modes of folders that have another than the usual one."""


def fetch(image: Image, architecture: str, folder: Path) -> Path:
    """Fetch the program from its Debian package; return its path in folder.

    Raises InstallFailed.
    """
    package = image.packages[0]
    tree = folder / package
    if not tree.exists():
        log = paths.logs() / "static-image.log"
        what = f"The package {package} of Debian {image.suite}"
        debian_archive.extract([package], image.suite, tree, log, what, architecture=architecture)
    return next(file for file in tree.rglob("busybox") if file.parent.name == "bin")


def make(image: Image, program: Path, born: int, folder: Path) -> Path:
    """Write the image's layer as an archive into folder and return its path.

    born is the time of all files.
    """
    content = program.read_bytes()
    archive = folder / f"{image.name}.tar"
    with tarfile.open(archive, "w") as tar:
        for path in _folders(image):
            layer_tar.add_folder(tar, path, MODES.get(path, 0o755), born)
        layer_tar.add_file(tar, PROGRAM, content, born, 0o755)
        for command in image.commands or commands(content):
            if command != PurePosixPath(PROGRAM).name:
                layer_tar.add_link(tar, f"bin/{command}", PROGRAM, born)
        layer_tar.add_files(tar, image, born)
    return archive


def _folders(image: Image) -> list[str]:
    wanted = {PurePosixPath(path) for path in ("bin", *image.folders)}
    parents = {parent for path in wanted for parent in path.parents}
    return sorted(str(path) for path in wanted | parents if path.name)


def commands(program: bytes) -> list[str]:
    """The names of busybox's commands, as ``busybox --list`` prints them.

    They are read from the table in the program (applet_names in busybox's source), because the
    program may be one for another machine.
    """
    found = re.search(rb"\[\0\[\[\0(?:[a-z0-9._+-]+\0)+", program)
    return found[0].decode().rstrip("\0").split("\0") if found else []
