"""Builds the machine's root image: Docker as in the engine root, and a small system around it.

The packages are trimmed and written to an ext4 file system, without privileges. No maintainer
script runs; what the scripts would create is added here. The image's own mke2fs writes the file
system: it reads a tar archive with its owners, and clamps every time stamp to SOURCE_DATE_EPOCH, so
the same packages give the same image.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from dockyard.engine import debian_archive
from dockyard.engine.base import AGAIN
from dockyard.engine.engine_root import SNAPSHOT, SUITE, VERSION
from dockyard.engine.vm.build_log import run
from dockyard.exceptions import InstallFailed

PACKAGES = (
    # A shell, and the programs that guest/init calls.
    *("base-files", "base-passwd", "dash", "coreutils", "mount", "util-linux", "grep", "sed"),
    *("util-linux-extra", "e2fsprogs", "iproute2", "kmod"),
    # `docker top` runs ps.
    "procps",
    # The engine, as in the engine root. crun starts a container with a third of runc's work.
    *(f"docker.io={VERSION}*", f"docker-cli={VERSION}*", "containerd", "runc", "crun", "iptables"),
    *("docker-buildx", "docker-compose"),
    # `docker load` and `ADD` of compressed archives.
    *("xz-utils", "zstd"),
    "ca-certificates",
    # mke2fs reads tar archives through this library.
    "libarchive13t64",
)

NOT_UNPACKED = ("debconf", "gcc-16-base", "libsystemd-shared", "systemd", "sysvinit-utils")
"""Dependencies of the packages' maintainer scripts and service units, which are not run."""

# 1 January 2026.
EPOCH = "1767225600"

LEFT_OUT = (
    # Documentation and translations. The licences stay (see _left_out).
    *("usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/bash-completion"),
    *("usr/share/zsh", "usr/share/fish", "usr/share/lintian", "usr/share/bug", "usr/share/perl5"),
    *("usr/share/debconf", "usr/share/i18n", "usr/share/vim", "usr/share/applications"),
    # For systemd and sysvinit, which the machine does not run.
    *("usr/lib/systemd", "usr/lib/udev", "usr/lib/tmpfiles.d", "etc/init.d", "etc/systemd"),
    *("boot", "etc/cron.d", "etc/cron.daily", "var/cache", "var/lib/apt", "var/lib/dpkg"),
    # Character sets that no program of the image converts.
    "usr/lib/x86_64-linux-gnu/gconv",
    # What containerd and runc bring along for Kubernetes, debugging and as examples.
    *("usr/bin/ctr", "usr/lib/cni", "usr/lib/containerd"),
    *("usr/sbin/fs-idmap", "usr/sbin/pidfd-kill", "usr/sbin/recvtty", "usr/sbin/remap-rootfs"),
    *("usr/sbin/sd-helper", "usr/sbin/seccompagent"),
    *("usr/bin/pzstd", "usr/include", "usr/lib/x86_64-linux-gnu/libcrun.a"),
    # Replaced by one bundle (BUNDLE).
    "usr/share/ca-certificates",
)

LINKS = {
    # One call of iptables-legacy is faster than one of iptables-nft (docs/machine.md).
    "usr/sbin/iptables": "xtables-legacy-multi",
    "usr/sbin/iptables-save": "xtables-legacy-multi",
    "usr/sbin/iptables-restore": "xtables-legacy-multi",
    "usr/sbin/ip6tables": "xtables-legacy-multi",
    "usr/sbin/ip6tables-save": "xtables-legacy-multi",
    "usr/sbin/ip6tables-restore": "xtables-legacy-multi",
    "dev/ptmx": "pts/ptmx",
    "var/run": "/run",
}

FOLDERS = ("mnt", "media", "var/lib/docker", "run", "tmp", "proc", "sys", "dev", "root", "var/log")

CERTIFICATES = "usr/share/ca-certificates/"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"

PASSWD = "usr/share/base-passwd/passwd.master"
GROUP = "usr/share/base-passwd/group.master"

INIT = b"""\
#!/bin/sh
# guest/init comes from the host, so a change to it needs no new image.
# $share and $guest are words of the kernel's command line.
mount -t "$share" -o "$guest" guest /mnt && exec /mnt/init
"""


def inputs() -> list[bytes]:
    """What determines the image, apart from the versions of packages that are not pinned."""
    return [Path(__file__).read_bytes(), repr((SUITE, VERSION)).encode()]


def build(target: Path, work: Path) -> None:
    """Write the root image to target; work is an empty folder for intermediate files.

    Raises InstallFailed.
    """
    archive = work / "root.tar"
    size = pack(_download(work), archive)
    # The image's mke2fs with the image's libraries, so the host's version does not matter.
    tools = work / "tools"
    tools.mkdir()
    wanted = ("./usr/sbin/mke2fs", "./etc/mke2fs.conf", "./usr/lib/*-linux-gnu*")
    run(["tar", "--extract", "--file", archive, "--directory", tools, "--wildcards", *wanted])
    libraries = next(tools.glob("usr/lib/*-linux-gnu*"))
    (loader,) = libraries.glob("ld-linux-*.so.*")
    # 3 % and 8 MiB for ext4's inodes, bitmaps and indirect blocks.
    blocks = size // 4096 * 103 // 100 + 2048
    run(
        [
            *(loader, "--library-path", libraries, tools / "usr/sbin/mke2fs"),
            *("-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-i", "65536"),
            *("-O", "^has_journal,^resize_inode"),
            *("-U", "d0c4a7d0-0000-4000-8000-000000000001"),
            *("-E", "hash_seed=d0c4a7d0-0000-4000-8000-000000000002,root_owner=0:0,nodiscard"),
            *("-d", archive, target, str(blocks)),
        ],
        env={"SOURCE_DATE_EPOCH": EPOCH, "MKE2FS_CONFIG": str(tools / "etc/mke2fs.conf")},
    )


def _download(work: Path) -> list[Path]:
    """Download the packages: from the suite, or as it was when it had this version of Docker."""
    try:
        return debian_archive.download(run, work / "suite", SUITE, PACKAGES)
    except InstallFailed as error:
        if "was not found" not in error.why:
            raise
        scratch = work / "snapshot"
        return debian_archive.download(run, scratch, SUITE, PACKAGES, archive=SNAPSHOT)


def pack(packages: Iterable[Path], archive: Path) -> int:
    """Write a tar archive of the packages' files: without those that the machine does not need,
    and with those that maintainer scripts would create.

    Returns an upper bound of the bytes that the files and folders take in blocks of 4096. Raises
    InstallFailed.
    """
    used = 0
    bundle = b""
    accounts = {}
    seen = set()
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as out:

        def add(member: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
            nonlocal used
            out.addfile(member, content)
            used += _blocks(member.size)

        for package in packages:
            if package.name.partition("_")[0] in NOT_UNPACKED:
                continue
            with _files_of(package) as source:
                for member in source:
                    name = member.name.removeprefix("./").rstrip("/")
                    content = source.extractfile(member) if member.isfile() else None
                    if content and name.startswith(CERTIFICATES) and name.endswith(".crt"):
                        bundle += content.read().rstrip() + b"\n"
                    elif content and name in (PASSWD, GROUP):
                        accounts[name] = content.read()
                    elif not _left_out(name) and name not in LINKS and name not in seen:
                        # Folders are in many packages.
                        seen.add(name)
                        add(member, content)
        for name in FOLDERS:
            if name not in seen:
                add(_member(name, tarfile.DIRTYPE, 0o755))
        for name, target in LINKS.items():
            add(_member(name, tarfile.SYMTYPE, 0o777, target))
        for name, text in _files(bundle, accounts).items():
            member = _member(name, tarfile.REGTYPE, 0o755 if "sbin/" in name else 0o644)
            member.size = len(text)
            add(member, io.BytesIO(text))
    return used


def _files_of(package: Path) -> tarfile.TarFile:
    done = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=False)
    if done.returncode != 0:
        raise InstallFailed(
            f"The package {package.name} could not be unpacked.",
            done.stderr.decode(errors="replace").strip(),
            f"Check the free disk space, then:  {AGAIN}",
        )
    return tarfile.open(fileobj=io.BytesIO(done.stdout))


def _files(certificates: bytes, accounts: dict[str, bytes]) -> dict[str, bytes]:
    """The files that maintainer scripts would write, and those of the course."""
    return {
        "usr/sbin/dockyard-init": INIT,
        "etc/passwd": accounts[PASSWD].replace(b"root:*:", b"root:x:"),
        # The group that may use the socket inside.
        "etc/group": accounts[GROUP] + b"docker:x:999:\n",
        BUNDLE: certificates,
        "etc/hosts": b"127.0.0.1 localhost\n::1 localhost\n",
        "etc/hostname": b"dockyard\n",
        "etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
        "etc/resolv.conf": b"nameserver 192.168.127.3\n",
    }


def _blocks(size: int) -> int:
    # A folder takes one block; so may a link.
    return max((size + 4095) // 4096, 1) * 4096


def _left_out(name: str) -> bool:
    if name.startswith("usr/share/doc/") and name.count("/") > 3:
        return not name.endswith("/copyright")
    return any(name == part or name.startswith(part + "/") for part in LEFT_OUT)


def _member(name: str, kind: bytes, mode: int, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo("./" + name)
    member.type, member.mode, member.linkname = kind, mode, target
    member.mtime = int(EPOCH)
    return member
