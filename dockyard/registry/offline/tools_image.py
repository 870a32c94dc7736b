"""Makes an image with mmdebstrap, and the programs that it calls, from the engine root."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from dockyard.engine import engine_root

FILES = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\n_apt:x:42:65534::/:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
FOLDERS = {
    "etc": 0o755, "etc/apt": 0o755, "etc/apt/apt.conf.d": 0o755, "root": 0o700, "tmp": 0o1777,
    "var": 0o755, "var/tmp": 0o1777,
}  # fmt: skip
LINKS = ("bin", "lib", "lib64", "sbin")
"""The folders that are links to those of the same names in ``usr``."""

LOOKED_FOR = "usr/sbin/ldconfig"
"""dpkg refuses to work without this program, although it runs that of the root it installs into."""

LEFT_OUT = (
    "usr/libexec", "usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/bin/docker",
    "usr/bin/docker-registry", "usr/bin/rootlesskit", "usr/bin/skopeo", "usr/sbin/dockerd",
    "usr/sbin/runc",
)  # fmt: skip
"""Large programs that mmdebstrap does not call."""


def write(archive: Path) -> None:
    """Write the image's root file system, for ``docker import``."""

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if member.name in LEFT_OUT else member

    with tarfile.open(archive, "w") as tar:
        tar.add(engine_root.folder() / "usr", "usr", filter=wanted)
        for name in LINKS:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(entry)
        for name, mode in FOLDERS.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for name, text in (FILES | {LOOKED_FOR: "#!/bin/sh\n"}).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755 if name == LOOKED_FOR else 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
