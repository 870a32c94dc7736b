"""Root file systems of other distributions, in which the course runs as on a computer of theirs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dockyard.core import paths
from dockyard.engine import debian_archive, engine_root

PROXIES = ("http_proxy", "https_proxy", "no_proxy")

ENTER = """\
mount --bind "$host" "$host"
mount -t proc none "$host/proc"
mount --rbind /dev "$host/dev"
mount --rbind /sys "$host/sys"
mount -t tmpfs none "$host/run"
mount -t tmpfs -o exec none "$host/tmp"
mount --bind "$checkout" "$host/course"
mount -o remount,bind,ro "$host/course"
mount --bind /etc/resolv.conf "$host/etc/resolv.conf"
exec chroot "$host" "$@"
"""


class Host:
    """A root file system in a folder, with Python, the course's packages and the checkout."""

    def __init__(self, folder: Path, suite: str) -> None:
        self.root = folder / "host"
        self.home = self.root / "home/dockyard"
        _mmdebstrap(suite, self.root)
        for name in ("course", "site"):
            (self.root / name).mkdir()
        (self.root / "etc/resolv.conf").touch()
        self._install_packages()

    def _install_packages(self) -> None:
        # From outside, where certificates and caches are those of this computer.
        python = self.run("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        subprocess.run(
            [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet",
             f"--python={sys.executable}", f"--python-version={python.stdout.strip()}",
             "--only-binary=:all:", f"--target={self.root / 'site'}",
             f"--requirement={paths.CHECKOUT / 'requirements.txt'}"],
            check=True,
        )  # fmt: skip

    def command(self, *words: str) -> list[str | Path]:
        return ["unshare", "--mount", "--propagation=private", "sh", "-ec", ENTER, "sh", *words]

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": "/root",
            "DOCKYARD_HOME": "/home/dockyard",
            "PYTHONPATH": "/site:/course",
            "PYTHONDONTWRITEBYTECODE": "1",
            "host": str(self.root),
            "checkout": str(paths.CHECKOUT),
            **{
                name: os.environ[name]
                for name in ("http_proxy", "https_proxy")
                if name in os.environ
            },
            **variables,
        }

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the host; output and errors are text."""
        return subprocess.run(
            self.command(*words), env=self.environment(**variables),
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip

    def files(self) -> dict[str, tuple[int, int, float]]:
        """Mode, size and time of every file that belongs to the distribution."""
        found = {}
        for top in ("etc", "opt", "root", "usr", "var"):
            for path in (self.root / top).rglob("*"):
                status = path.lstat()
                found[str(path)] = (status.st_mode, status.st_size, status.st_mtime)
        return found

    def hide_packaging(self) -> None:
        """Make this a distribution that is not made of Debian's packages."""
        for pattern in ("usr/bin/apt*", "usr/bin/dpkg*", "usr/share/keyrings/*", "etc/apt/*"):
            for path in self.root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def move_libraries(self) -> None:
        """Keep the C library and others in /usr/lib64, as Fedora does."""
        (libraries,) = self.root.glob("usr/lib/*-linux-gnu")
        there = self.root / "usr/lib64"
        for path in libraries.iterdir():
            if not path.is_dir() and not (there / path.name).exists():
                path.rename(there / path.name)
        loader = next(there.glob("ld-linux*"))
        if loader.is_symlink():
            loader.unlink()
            (libraries / loader.name).rename(loader)
        (self.root / "etc/ld.so.conf").write_text("/usr/lib64\n")
        shutil.rmtree(self.root / "etc/ld.so.conf.d", ignore_errors=True)


def _mmdebstrap(suite: str, root: Path) -> None:
    own = engine_root.fetch(print)
    subprocess.run(
        engine_root.command(
            own, "mmdebstrap", "--quiet", "--variant=minbase",
            f"--keyring={debian_archive.KEYRING}", "--aptopt=Acquire::Check-Valid-Until \"false\"",
            "--include=python3,ca-certificates", suite, root,
            f"deb {debian_archive.mirror()} {suite} main",
        ),
        env={**os.environ, "LC_ALL": "C.UTF-8"}, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
