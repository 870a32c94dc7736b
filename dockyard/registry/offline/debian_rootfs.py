"""Makes a small Debian root file system with mmdebstrap.

The same packages give the same files on every machine, with the same times.
"""

from __future__ import annotations

import email.utils
import re
from pathlib import Path

import requests

from dockyard.engine import debian_archive, engine_root
from dockyard.exceptions import RegistryError
from dockyard.registry import transfer
from dockyard.registry.image_catalog import Image
from dockyard.registry.offline import mmdebstrap

UNPACKED_FAST = "force-unsafe-io"
"""An option of dpkg: no fsync. A build that the power fails is built again."""

LEAN = """\
cat > "$1/etc/dpkg/dpkg.cfg.d/90image" << .
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
.
for folder in doc man info locale lintian; do
    chroot "$1" find "/usr/share/$folder" -mindepth 1 ! -type d ! -path '*/doc/*/copyright' -delete
    chroot "$1" find "/usr/share/$folder" -mindepth 1 -type d -empty -delete
done
"""
"""Shell: no documentation and no translations, here and in later layers.

mmdebstrap has already unpacked the first packages. It would filter them itself if it had these
options, but with a program in Python, which is not in an image of the engine root (tools_image.py).
"""

APT = (
    # Archives of installed packages would only make layers larger.
    'APT::Keep-Downloaded-Packages "false"',
    'Dir::Cache::pkgcache ""',
    'Dir::Cache::srcpkgcache ""',
)
"""Settings of apt in the image, which keep layers built on it small."""

LEFTOVERS = (
    *("/etc/hostname", "/etc/machine-id", "/etc/resolv.conf"),
    *("/var/cache/apt/*", "/var/cache/debconf/*-old", "/var/cache/ldconfig/aux-cache"),
    *("/var/lib/dpkg/*-old", "/var/log/*.log", "/var/log/apt/*"),
)
"""What packaging leaves of this run and this host."""

APT_CONF = "/etc/apt/apt.conf.d/90image"
NO_LISTS = """\
rm -r "$1"/var/lib/apt/lists/*
chroot "$1" install --directory --owner _apt --group root --mode 700 /var/lib/apt/lists/partial
"""
"""Shell: removes the lists of packages.

mmdebstrap would leave a folder whose owner depends on who may enter its temporary folder.
"""

NO_SERVICES = """\
printf '#!/bin/sh\\nexit 101\\n' > "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
"""
"""Shell: packages must not start services, while they are installed here and in later layers."""


def make(
    image: Image,
    architecture: str,
    born: int,
    folder: Path,
    run: mmdebstrap.RunMmdebstrap,
) -> tuple[Path, Path]:
    """Write the root file system and apt's lists of packages as two archives into folder.

    born is the time of the newest file. Similar to ``mmdebstrap --variant=minbase SUITE
    root.tar``. Raises RegistryError.
    """
    if not engine_root.can_be_had():
        raise RegistryError(
            f"{image.reference} cannot be made on this computer.",
            "Docker Hub does not answer, and only Linux can make images of Debian's packages.",
            "Bring the images in a file:  python3 -m dockyard registry import FILE",
        )
    root, lists = folder / f"{image.suite}.tar", folder / f"{image.suite}-lists.tar"
    mirror = debian_archive.mirror()
    security = debian_archive.mirror("debian-security")
    words = [
        "--quiet",
        "--variant=minbase",
        # A container's /dev is made when it starts.
        # The image has a policy-rc.d of its own, which mmdebstrap would remove.
        "--skip=output/dev,chroot/policy-rc.d,cleanup/apt/lists",
        f"--extract-hook={NO_SERVICES}",
        f"--extract-hook={LEAN}",
        f"--architectures={architecture}",
        f"--keyring={debian_archive.KEYRING}",
        *(f"--include={package}" for package in image.packages),
        f"--dpkgopt={UNPACKED_FAST}",
        '--aptopt=Acquire::Languages "none"',
        # Debian 12's merged /usr is otherwise made by a package that needs the whole of Perl.
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        f"--customize-hook=echo '{' '.join(f'{line};' for line in APT)}' > $1{APT_CONF}",
        f"--customize-hook=tar-out /var/lib/apt/lists {lists}",
        f"--customize-hook={NO_LISTS}",
        "--customize-hook=rm -rf " + " ".join(f"$1{path}" for path in LEFTOVERS),
        *(image.suite, str(root)),
        f"deb {mirror} {image.suite} main",
        f"deb {mirror} {image.suite}-updates main",
        f"deb {security} {image.suite}-security main",
    ]
    if why := run(words, born, [], [root, lists]):
        raise transfer.failure(f"The root file system of {image.reference} could not be made.", why)
    return root, lists


def released(suite: str) -> int:
    """The time when the suite's package lists were last published, in seconds since 1970.

    Raises RegistryError when the mirror does not answer.
    """
    address = f"{debian_archive.mirror()}/dists/{suite}/Release"
    try:
        answer = requests.get(address, timeout=30)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise RegistryError(
            "The Debian mirror does not answer, and neither does Docker Hub.",
            f"{address}: {re.sub('.*Caused by ', '', str(error).splitlines()[0])[:200]}",
            "Check the network and any proxy (http_proxy), or bring the images in a file:  "
            "python3 -m dockyard registry import FILE",
        ) from None
    found = re.search(r"^Date: (.+)$", answer.text, re.MULTILINE)
    return int(email.utils.parsedate_to_datetime(found[1]).timestamp()) if found else 0
