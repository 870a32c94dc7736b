"""The machine's root image: packages of Debian 13, extracted, trimmed and written as ext4.

No maintainer script runs, so no privilege is needed; what the scripts would have made is made
here. The file system is written by the image's own mke2fs: 1.47.2 takes a tar archive with its
owners, and clamps every time stamp to SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

SUITE = "trixie"

PACKAGES = (
    # A shell, and what the init calls.
    *("base-files", "base-passwd", "dash", "coreutils", "mount", "util-linux", "grep", "sed"),
    *("e2fsprogs", "iproute2", "kmod"),
    # `docker top` runs ps.
    "procps",
    # The engine. crun starts a container with a third of runc's work.
    *("docker.io", "docker-cli", "docker-buildx", "docker-compose", "crun", "iptables"),
    # `docker load` and `ADD` of compressed archives.
    *("xz-utils", "zstd"),
    "ca-certificates",
    # mke2fs reads tar archives through it.
    "libarchive13t64",
)

# 1 January 2026: a fixed time, so that the same packages give the same image.
EPOCH = "1767225600"

LEFT_OUT = (
    # Nobody reads them here; the licences stay.
    *("usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/bash-completion"),
    *("usr/share/zsh", "usr/share/fish", "usr/share/lintian", "usr/share/bug", "usr/share/perl5"),
    *("usr/share/debconf", "usr/share/i18n", "usr/share/vim", "usr/share/applications"),
    # There is neither systemd nor sysvinit.
    *("usr/lib/systemd", "usr/lib/udev", "usr/lib/tmpfiles.d", "etc/init.d", "etc/systemd"),
    *("boot", "etc/cron.d", "etc/cron.daily", "var/cache", "var/lib/apt", "var/lib/dpkg"),
    # Character sets that no program here converts.
    "usr/lib/x86_64-linux-gnu/gconv",
    # containerd's older shims, and its client for debugging.
    *("usr/bin/containerd-shim", "usr/bin/containerd-shim-runc-v1", "usr/bin/ctr"),
    "usr/bin/pzstd",
    # Now in one file.
    "usr/share/ca-certificates",
)

LINKS = {
    # iptables-legacy answers in a third of the time of iptables-nft here (docs/engines.md).
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

INIT = """\
#!/bin/sh
# The engine's own programs come from the host, so that this image does not depend on them.
# $share and $guest are words of the kernel's command line.
mount -t "$share" -o "$guest" guest /mnt && exec /mnt/init
"""


def build(
    target: Path, work: Path, mirror: str, architecture: str, run: Callable[..., None]
) -> None:
    """Write the root image to target, using work for its stages.

    run executes one command and raises when it fails.
    """
    security = mirror.removesuffix("/debian") + "/debian-security"
    packed, shaped = work / "packages.tar", work / "root.tar"
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
    size = shape(packed, shaped)
    # Its own mke2fs with its own libraries, so that the host's version does not matter.
    tools = work / "tools"
    tools.mkdir()
    run(["tar", "--extract", "--file", packed, "--directory", tools, "--exclude=./dev"])
    libraries = next(tools.glob("usr/lib/*-linux-gnu*"))
    (loader,) = libraries.glob("ld-linux-*.so.*")
    # What ext4 keeps for itself: inodes, bitmaps and indirect blocks.
    blocks = size // 4096 * 103 // 100 + 2048
    run(
        [
            *(loader, "--library-path", libraries, tools / "usr/sbin/mke2fs"),
            *("-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-i", "65536"),
            *("-O", "^has_journal,^resize_inode"),
            *("-U", "d0c4a7d0-0000-4000-8000-000000000001"),
            *("-E", "hash_seed=d0c4a7d0-0000-4000-8000-000000000002,root_owner=0:0,nodiscard"),
            *("-d", shaped, target, str(blocks)),
        ],
        env={"SOURCE_DATE_EPOCH": EPOCH, "MKE2FS_CONFIG": str(tools / "etc/mke2fs.conf")},
    )


def shape(packed: Path, shaped: Path) -> int:
    """Copy an archive without what is left out and with what is missing.

    Returns an upper bound of the bytes its files and folders take in blocks of 4096.
    """
    used = 0
    with (
        tarfile.open(packed) as source,
        tarfile.open(shaped, "w", format=tarfile.PAX_FORMAT) as out,
    ):
        bundle = io.BytesIO()
        accounts: dict[str, bytes] = {}
        seen = set()
        for member in source:
            name = member.name.removeprefix("./")
            content = source.extractfile(member) if member.isfile() else None
            if name.startswith("usr/share/ca-certificates/") and name.endswith(".crt"):
                bundle.write(content.read().rstrip() + b"\n")
            if name in (
                "usr/share/base-passwd/passwd.master",
                "usr/share/base-passwd/group.master",
            ):
                accounts[name.rpartition("/")[2].removesuffix(".master")] = content.read()
                content.seek(0)
            if _left_out(name) or name in LINKS:
                continue
            seen.add(name)
            out.addfile(member, content)
            used += _blocks(member.size)
        for member, content in _added(bundle.getvalue(), accounts, seen):
            out.addfile(member, io.BytesIO(content))
            used += _blocks(member.size)
    return used


def _blocks(size: int) -> int:
    # A folder takes one block, and so might a link.
    return max((size + 4095) // 4096, 1) * 4096


def _left_out(name: str) -> bool:
    return any(name == part or name.startswith(part + "/") for part in LEFT_OUT)


def _added(
    certificates: bytes, accounts: dict[str, bytes], seen: set[str]
) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for name in FOLDERS:
        if name not in seen:
            yield _member(name, tarfile.DIRTYPE, 0o755), b""
    for name, target in LINKS.items():
        yield _member(name, tarfile.SYMTYPE, 0o777, target), b""
    # Docker's userns-remap, and the group that may use the socket inside.
    accounts["group"] = accounts["group"] + b"docker:x:999:\n"
    files = {
        "sbin/dockyard-init": (INIT.encode(), 0o755),
        "etc/passwd": (accounts["passwd"].replace(b"root:*:", b"root:x:"), 0o644),
        "etc/group": (accounts["group"], 0o644),
        "etc/ssl/certs/ca-certificates.crt": (certificates, 0o644),
        "etc/hosts": (b"127.0.0.1 localhost\n::1 localhost\n", 0o644),
        "etc/hostname": (b"dockyard\n", 0o644),
        "etc/nsswitch.conf": (b"passwd: files\ngroup: files\nhosts: files dns\n", 0o644),
        "etc/resolv.conf": (b"nameserver 192.168.127.3\n", 0o644),
    }
    for name, (content, mode) in files.items():
        where = name if not name.startswith("sbin/") else posixpath.join("usr", name)
        member = _member(where, tarfile.REGTYPE, mode)
        member.size = len(content)
        yield member, content


def _member(name: str, kind: bytes, mode: int, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo("./" + name)
    member.type, member.mode, member.linkname = kind, mode, target
    member.mtime = int(EPOCH)
    return member
