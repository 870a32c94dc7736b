"""Builds the machine's root image from packages of Debian 13, without privileges.

The packages are extracted, trimmed and written to an ext4 file system. No maintainer script runs;
what the scripts would create is added here. The image's own mke2fs writes the file system:
version 1.47.2 reads a tar archive with its owners, and clamps every time stamp to
SOURCE_DATE_EPOCH, so the same packages give the same image.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import IO

from dockyard.engine.vm.build_log import run

SUITE = "trixie"

PACKAGES = (
    # A shell, and the programs that guest/init calls.
    *("base-files", "base-passwd", "dash", "coreutils", "mount", "util-linux", "grep", "sed"),
    *("e2fsprogs", "iproute2", "kmod"),
    # `docker top` runs ps.
    "procps",
    # The engine. crun starts a container with a third of runc's work.
    *("docker.io", "docker-cli", "docker-buildx", "docker-compose", "crun", "iptables"),
    # `docker load` and `ADD` of compressed archives.
    *("xz-utils", "zstd"),
    "ca-certificates",
    # mke2fs reads tar archives through this library.
    "libarchive13t64",
)

# 1 January 2026.
EPOCH = "1767225600"

LEFT_OUT = (
    # Documentation and translations. The licences stay.
    *("usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/bash-completion"),
    *("usr/share/zsh", "usr/share/fish", "usr/share/lintian", "usr/share/bug", "usr/share/perl5"),
    *("usr/share/debconf", "usr/share/i18n", "usr/share/vim", "usr/share/applications"),
    # For systemd and sysvinit, which the machine does not run.
    *("usr/lib/systemd", "usr/lib/udev", "usr/lib/tmpfiles.d", "etc/init.d", "etc/systemd"),
    *("boot", "etc/cron.d", "etc/cron.daily", "var/cache", "var/lib/apt", "var/lib/dpkg"),
    # Character sets that no program of the image converts.
    "usr/lib/x86_64-linux-gnu/gconv",
    # containerd's older shims, and its client for debugging.
    *("usr/bin/containerd-shim", "usr/bin/containerd-shim-runc-v1", "usr/bin/ctr"),
    "usr/bin/pzstd",
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


def build(target: Path, work: Path, mirror: str, architecture: str) -> None:
    """Write the root image to target; work is an empty folder for intermediate files.

    Raises InstallFailed.
    """
    security = mirror.removesuffix("/debian") + "/debian-security"
    packed, repacked = work / "packages.tar", work / "root.tar"
    run(
        [
            *("fakeroot", "mmdebstrap", "--mode=chrootless", "--variant=extract"),
            f"--architectures={architecture}",
            "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
            f"--include={','.join(PACKAGES)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            *(SUITE, packed),
            f"deb {mirror} {SUITE} main",
            f"deb {mirror} {SUITE}-updates main",
            f"deb {security} {SUITE}-security main",
        ],
        env={"SOURCE_DATE_EPOCH": EPOCH, "TMPDIR": str(work)},
    )
    size = repack(packed, repacked)
    # The image's mke2fs with the image's libraries, so the host's version does not matter.
    tools = work / "tools"
    tools.mkdir()
    run(["tar", "--extract", "--file", packed, "--directory", tools, "--exclude=./dev"])
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
            *("-d", repacked, target, str(blocks)),
        ],
        env={"SOURCE_DATE_EPOCH": EPOCH, "MKE2FS_CONFIG": str(tools / "etc/mke2fs.conf")},
    )


def repack(packed: Path, repacked: Path) -> int:
    """Copy a tar archive of packages, leave out what the machine does not need, add what it does.

    Returns an upper bound of the bytes that the files and folders take in blocks of 4096.
    """
    used = 0
    bundle = b""
    accounts = {}
    seen = set()
    with (
        tarfile.open(packed) as source,
        tarfile.open(repacked, "w", format=tarfile.PAX_FORMAT) as out,
    ):

        def add(member: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
            nonlocal used
            out.addfile(member, content)
            used += _blocks(member.size)

        for member in source:
            name = member.name.removeprefix("./")
            content = source.extractfile(member) if member.isfile() else None
            if content and name.startswith(CERTIFICATES) and name.endswith(".crt"):
                bundle += content.read().rstrip() + b"\n"
            if content and name in (PASSWD, GROUP):
                accounts[name] = content.read()
                content.seek(0)
            if not _left_out(name) and name not in LINKS:
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
    return any(name == part or name.startswith(part + "/") for part in LEFT_OUT)


def _member(name: str, kind: bytes, mode: int, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo("./" + name)
    member.type, member.mode, member.linkname = kind, mode, target
    member.mtime = int(EPOCH)
    return member
