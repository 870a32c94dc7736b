"""Makes a layer by installing packages on a base, as ``docker build`` does, without an engine.

mmdebstrap unpacks the layers of the base, runs apt in them, and what has changed since becomes the
layer (mmdebstrap(1) shows the way to build on an earlier result).
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

from dockyard.engine import debian_archive, engine_root
from dockyard.registry import transfer
from dockyard.registry.image_catalog import Image
from dockyard.registry.offline import layer_tar, mmdebstrap

UNPACKED = """\
cd "$1"
find . -name '.wh.*' | while read -r mark; do
    rm -rf "$mark" "${mark%/*}/${mark##*/.wh.}"
done
cp -L /etc/resolv.conf etc/resolv.conf
if [ -z "$(find var/lib/apt/lists -name '*Packages*' | head -n 1)" ]; then
    chroot . apt-get -o APT::Sandbox::User=root update
fi
find . -xdev | LC_ALL=C sort > .before
touch .stamp
sleep 0.1
"""
"""Shell: applies the whiteouts of the layers, and remembers what there is.

Times of changes are as coarse as the kernel's clock ticks, hence the pause.
"""

ENGINE_SUITE = """\
cd "$1"
echo 'deb [signed-by=KEYRING] MIRROR SUITE main' > etc/apt/sources.list.d/engine.list
printf 'Package: *\\nPin: release n=SUITE\\nPin-Priority: 100\\n' > etc/apt/preferences.d/engine
chroot . apt-get -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false update
"""
"""Shell: adds the suite of the engine's packages; others of it are used only when they need them.

A snapshot of a testing suite, as some mirrors keep, may be past its Valid-Until date.
"""

INSTALL = """\
cd "$1"
chroot . apt-get -o APT::Sandbox::User=root install --yes --no-install-recommends PACKAGES
rm -f etc/apt/sources.list.d/engine.list etc/apt/preferences.d/engine
"""

SET_UP = """\
cd "$1"
if [ -f .setup.sh ]; then chroot . sh -eu /.setup.sh; fi
"""

CHANGED = """\
cd "$1"
find . -xdev | LC_ALL=C sort | LC_ALL=C comm -13 - .before | while read -r gone; do
    folder=${gone%/*}
    if [ -d "$folder" ]; then : > "$folder/.wh.${gone##*/}"; fi
done
find . -xdev \\( EXCLUDED \\) -prune -o -cnewer .stamp ! -path . -print0
"""
"""Shell: prints the names of what has changed; what was deleted is marked by whiteouts."""

KEPT = """\
cd "$1KEEP"
find . -mindepth 1 -print0
"""

PACK = """\
| LC_ALL=C sort -z > "$1/.names"
tar --create --file "$1/.layer.tar" --null --no-recursion --files-from "$1/.names" \
    --format=pax --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
    --xattrs --numeric-owner --mtime "@$SOURCE_DATE_EPOCH" --clamp-mtime
"""

EXCLUDED = (
    *("./dev/*", "./proc/*", "./sys/*", "./run/*", "./tmp/*", "./etc/resolv.conf"),
    *("./.before", "./.stamp", "./.names", "./.layer.tar", "./.setup.sh"),
    *("./var/lib/apt/lists/*", "./var/cache/apt/*", "./var/cache/debconf/*-old"),
    *("./var/cache/ldconfig/aux-cache", "./var/lib/dpkg/*-old"),
    *("./var/log/alternatives.log", "./var/log/dpkg.log", "./var/log/apt/*"),
)
"""What belongs to this run or this host, by the patterns of find(1)."""


def make(
    image: Image,
    architecture: str,
    born: int,
    base: Sequence[Path],
    folder: Path,
    run: mmdebstrap.RunMmdebstrap,
) -> Path:
    """Write the image's own layer as an archive into folder and return its path.

    base has the archives of the layers below, lowest first, and may have apt's lists of packages.
    born is the time of the newest file. Raises RegistryError.
    """
    name = image.reference.replace(":", "-")
    files, layer = folder / f"{name}-files.tar", folder / f"{name}.tar"
    _pack_files(image, born, files)
    packages = [*image.packages, *(_of_the_engine(name) for name in image.engine)]
    excluded = " -o ".join(f"-path '{pattern}'" for pattern in EXCLUDED)
    names = KEPT.replace("KEEP", image.keep) if image.keep else CHANGED
    scripts_before = [UNPACKED]
    if image.engine:
        source = ENGINE_SUITE.replace("SUITE", engine_root.SUITE)
        source = source.replace("MIRROR", debian_archive.mirror())
        scripts_before.append(source.replace("KEYRING", str(debian_archive.KEYRING)))
    scripts_before.append(INSTALL.replace("PACKAGES", " ".join(packages)))
    pack = names.replace("EXCLUDED", excluded).rstrip() + " " + PACK
    words = [
        *("--quiet", "--variant=custom", "--format=null"),
        f"--architectures={architecture}",
        # The base has its own policy-rc.d; what mmdebstrap moves would become part of the layer.
        "--skip=update,cleanup,chroot/policy-rc.d,chroot/start-stop-daemon",
        *(f"--setup-hook=tar-in {archive} /" for archive in base),
        # Where mmdebstrap cannot make devices, it mounts them here.
        '--setup-hook=mkdir -p "$1/dev"',
        *(f"--customize-hook={_strict(script)}" for script in scripts_before),
        f"--customize-hook=tar-in {files} /",
        *(f"--customize-hook={_strict(script)}" for script in (SET_UP, pack)),
        f"--customize-hook=download /.layer.tar {layer}",
        *("", "-"),
    ]
    if why := run(words, born, [*base, files], [layer]):
        raise transfer.failure(f"{image.reference} could not be made.", why)
    files.unlink()
    return layer


def _of_the_engine(package: str) -> str:
    """A package as apt-get takes it: of the engine's version where that is pinned, else suite."""
    pinned = {word.partition("=")[0]: word for word in engine_root.PACKAGES if "=" in word}
    return f"'{pinned[package]}'" if package in pinned else f"{package}/{engine_root.SUITE}"


def _strict(script: str) -> str:
    return "set -eu\nexport DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8\n" + script


def _pack_files(image: Image, born: int, target: Path) -> None:
    """Pack the image's own files and its setup.sh, which runs once they are in place."""
    with tarfile.open(target, "w") as tar:
        layer_tar.add_files(tar, image, born)
        setup = image.context / "setup.sh"
        if setup.exists():
            layer_tar.add_file(tar, ".setup.sh", setup.read_bytes(), born, 0o755)
