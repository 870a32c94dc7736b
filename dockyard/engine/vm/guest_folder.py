"""Writes the folder that a machine reads when it starts: programs, settings and mounts."""

from __future__ import annotations

import os
import shlex
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from dockyard.core import paths
from dockyard.engine.vm.backend import Backend, Boot, Lan
from dockyard.engine.vm.kernel import GUEST
from dockyard.exceptions import UsageError

HOST_AS_SEEN_INSIDE = "192.168.127.1"
"""The address at which the machine reaches this host's loopback (guest/network.c)."""

GUEST_NAMES = (
    *("docker-proxy", "iptables", "libnetwork-setkey", "runc", "crun"),
    *("clock", "memory", "listen", "poweroff", "restart"),
)
"""The names under which guest/guest.c is called."""


def write(boot: Boot, backend: Backend, data_disk: Path, mirror: str | None) -> None:
    """Create the run folder anew: disks under plain names, programs, settings, mounts."""
    shutil.rmtree(boot.run, ignore_errors=True)
    guest = boot.run / "guest"
    guest.mkdir(parents=True, mode=0o700)
    # User-Mode Linux splits the names of disks at commas and colons, which a home may contain.
    (boot.run / "root.ext4").symlink_to(boot.artifacts.root)
    (boot.run / "data.ext4").symlink_to(data_disk)
    for name in ("init", "containerd.toml"):
        shutil.copy(GUEST / name, guest / name)
    (guest / "init").chmod(0o755)
    for name in GUEST_NAMES:
        shutil.copy(boot.artifacts.guest, guest / name)
        (guest / name).chmod(0o755)
    (guest / "settings").write_text(_settings(backend, boot, mirror))
    (guest / "shares").write_text("".join(_mounts(backend, boot)))


def _settings(backend: Backend, boot: Boot, mirror: str | None) -> str:
    options = [
        "--add-runtime=crun=/mnt/crun",
        "--feature=containerd-snapshotter=true",
        # The host forwards a published port to the container's own address.
        "--allow-direct-routing",
        # This network has no IPv6, and 60 calls of ip6tables take a fifth of the start.
        "--ip6tables=false",
    ]
    port = ""
    if mirror:
        address = urlsplit(mirror)
        host = address.hostname or ""
        port = str(address.port or 80)
        if host in ("localhost", "127.0.0.1"):
            host = HOST_AS_SEEN_INSIDE
        options += [
            f"--registry-mirror=http://{host}:{port}",
            f"--insecure-registry={host}:{port}",
        ]
    values = {
        **backend.settings,
        "lan": boot.lan.address if boot.lan else "",
        "mirror_port": port,
        "dockerd_options": shlex.join(options),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _mounts(backend: Backend, boot: Boot) -> Iterator[str]:
    """The shell commands that mount the host's folders."""
    for number, folder in enumerate(boot.shares):
        place = shlex.quote(str(folder))
        kind, options, source = backend.share(folder, number)
        yield f"mkdir -p {place}\n"
        yield f"mount -t {kind} -o {shlex.quote(options)} {source} {place}\n"


def lan() -> Lan | None:
    """The network of ``$DOCKYARD_MACHINE_LAN``, a folder; the home determines the number on it.

    Raises UsageError when the folder does not exist.
    """
    asked = os.environ.get("DOCKYARD_MACHINE_LAN")
    if not asked:
        return None
    folder = Path(asked)
    if not folder.is_dir():
        raise UsageError(
            f"The folder for the machines' common network does not exist: {folder}",
            next=f"Create it, accessible to you alone:  mkdir -m 700 {shlex.quote(str(folder))}",
        )
    return Lan(folder, 2 + zlib.crc32(str(paths.home()).encode()) % 250)


def shared_folders() -> list[Path]:
    """The host's folders that appear in the machine at the same path, for bind mounts.

    The checkout, the user's home, and those in ``$DOCKYARD_MACHINE_SHARE`` (separated by
    colons); never the whole file system.
    """
    extra = os.environ.get("DOCKYARD_MACHINE_SHARE", "")
    asked = [paths.CHECKOUT, Path.home(), *map(Path, filter(None, extra.split(":")))]
    chosen: list[Path] = []
    for folder in sorted({folder.resolve() for folder in asked}):
        usable = folder != Path("/") and folder.is_dir() and ":" not in str(folder)
        if usable and not any(folder.is_relative_to(above) for above in chosen):
            chosen.append(folder)
    return chosen
