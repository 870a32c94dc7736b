"""Makes a Debian root file system with mmdebstrap, as an archive for ``docker load``.

The same packages give the same image id on every machine: the archive holds no build time.
"""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import requests

from dockyard.engine import debian_archive, system_packages
from dockyard.exceptions import RegistryError
from dockyard.registry.image_catalog import Image
from dockyard.registry.offline import mmdebstrap

LEAN = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
)
"""Options for dpkg to leave out documentation and translations, here and in later layers."""

APT = (
    # Archives of installed packages would only make layers larger.
    'APT::Keep-Downloaded-Packages "false"',
    'Dir::Cache::pkgcache ""',
    'Dir::Cache::srcpkgcache ""',
)
"""Settings of apt in the image, which keep layers built on it small."""

LEFTOVERS = ("/var/cache/apt/*", "/var/cache/debconf/*-old", "/var/lib/apt/lists/*")
LOGS = ("/var/log/*.log", "/var/log/apt/*", "/var/cache/ldconfig/aux-cache", "/etc/machine-id")

APT_CONF = "/etc/apt/apt.conf.d/90image"
# Packages must not start services while an image is built.
NO_SERVICES = "printf '#!/bin/sh\\nexit 101\\n' > $1/usr/sbin/policy-rc.d"


def make(
    image: Image,
    architecture: str,
    labels: dict[str, str],
    folder: Path,
    run: mmdebstrap.RunMmdebstrap,
) -> Path:
    """Write the image's archive into folder and return its path.

    Similar to ``mmdebstrap --variant=minbase SUITE root.tar``. Raises RegistryError.
    """
    if system_packages.which("mmdebstrap") is None:
        raise RegistryError(
            f"{image.reference} cannot be made: mmdebstrap is not installed.",
            "Docker Hub does not answer, and Debian's packages need this program.",
            "Install it:  sudo apt-get install mmdebstrap debian-archive-keyring\n"
            "Or bring the images in a file:  python3 -m dockyard registry import FILE",
        )
    root = folder / "layer.tar"
    born = released(image.suite)
    _mmdebstrap(image, architecture, born, root, run)
    return _archive(image, architecture, labels, born, root)


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
            f"{address}: {str(error).splitlines()[0][:200]}",
            "Check the network and any proxy (http_proxy), or bring the images in a file:  "
            "python3 -m dockyard registry import FILE",
        ) from None
    found = re.search(r"^Date: (.+)$", answer.text, re.MULTILINE)
    return int(email.utils.parsedate_to_datetime(found[1]).timestamp()) if found else 0


def _mmdebstrap(
    image: Image, architecture: str, born: int, root: Path, run: mmdebstrap.RunMmdebstrap
) -> None:
    mirror = debian_archive.mirror()
    security = debian_archive.mirror("debian-security")
    words = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--architectures={architecture}",
        f"--keyring={debian_archive.KEYRING}",
        *(f"--include={package}" for package in image.packages),
        *(f"--dpkgopt={option}" for option in LEAN),
        '--aptopt=Acquire::Languages "none"',
        # Debian 12's merged /usr is otherwise made by a package that needs the whole of Perl.
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        f"--customize-hook=echo '{' '.join(f'{line};' for line in APT)}' > $1{APT_CONF}",
        f"--customize-hook={NO_SERVICES}",
        '--customize-hook=chmod 755 "$1/usr/sbin/policy-rc.d"',
        "--customize-hook=rm -rf " + " ".join(f"$1{path}" for path in LEFTOVERS + LOGS),
        image.suite,
        mmdebstrap.RESULT,
        f"deb {mirror} {image.suite} main",
        f"deb {mirror} {image.suite}-updates main",
        f"deb {security} {image.suite}-security main",
    ]
    if why := run(words, born, root):
        raise RegistryError(
            f"The root file system of {image.reference} could not be made.",
            why,
            "Check the network and the free disk space, then:  python3 -m dockyard registry fill",
        )


def _archive(
    image: Image, architecture: str, labels: dict[str, str], born: int, root: Path
) -> Path:
    """Pack layer, configuration and manifest.json (Docker Image Specification v1.2)."""
    packed = root.with_suffix(".tar.gz")
    with root.open("rb") as file:
        layer = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        # An engine with the containerd image store pushes the layer as it gets it here.
        with (
            packed.open("wb") as target,
            gzip.GzipFile("", "wb", fileobj=target, mtime=0) as compressed,
        ):
            shutil.copyfileobj(file, compressed)
    created = datetime.fromtimestamp(born, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = {
        "architecture": architecture,
        "config": {
            "Cmd": ["bash"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Labels": labels,
        },
        "created": created,
        "history": [{"created": created, "created_by": f"mmdebstrap {image.suite}"}],
        "os": "linux",
        "rootfs": {"diff_ids": [f"sha256:{layer}"], "type": "layers"},
    }
    content = json.dumps(config, sort_keys=True).encode()
    name = f"{hashlib.sha256(content).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": None, "Layers": ["layer.tar"]}]
    archive = root.with_name("image.tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(packed, "layer.tar")
        for member, text in ((name, content), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(member)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    root.unlink()
    packed.unlink()
    return archive
