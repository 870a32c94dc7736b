"""The front door as a process, a daemon behind it, and clients, for tests."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from dockyard.core import docker_client, home_mark, labels, paths, wait
from dockyard.engine import engine_root

ENGINE_ROOT = engine_root.folder()
"""The engine root of the course's home; a test may have another home."""

PLUGINS = [found for name in ("compose", "buildx") if (found := docker_client.find_plugin(name))]
"""The docker client's plugins, found from the course's home, too."""

needs_dockerd = [
    pytest.mark.engine,
    pytest.mark.skipif(
        os.geteuid() != 0 or not ENGINE_ROOT.exists(),
        reason="starts another dockerd with the embedded engine's programs, as root",
    ),
]
"""The marks of tests that start a Dockerd."""


def unmarked(found: dict[str, str]) -> dict[str, str]:
    """Labels without the mark of this home; fails when the mark is missing."""
    assert home_mark.is_ours(found[labels.HOME])
    return {name: value for name, value in found.items() if name != labels.HOME}


class Door:
    """The front door as a process of its own, in front of an upstream address."""

    def __init__(
        self, folder: Path, upstream: str, *options: str, env: dict[str, str] | None = None
    ) -> None:
        self.env = env
        self.socket = folder / "docker.sock"
        self.records = folder / "records.sock"
        self.log = folder / "door.log"
        self._argv = [sys.executable, "-m", "dockyard.proxy", "--listen", str(self.socket)]
        self._argv += ["--records", str(self.records), "--upstream", upstream, *options]

    def start(self) -> Door:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._argv, stderr=log, cwd=paths.CHECKOUT, env=self.env
            )
        wait.until(
            "the front door", lambda: self.answers() or self._fail_if_exited(), 60, log=self.log
        )
        return self

    def _fail_if_exited(self) -> None:
        assert self.process.poll() is None, self.log.read_text()

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        """Stop it as the course does. Fails unless it exits cleanly with an empty log."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        assert not self.socket.exists()
        assert not self.records.exists()
        assert self.log.read_text() == ""

    def connections(self) -> int:
        """How many UNIX connections it has open, to clients and to the daemon."""
        sockets = psutil.Process(self.process.pid).net_connections("unix")
        # It also has two listening sockets and the event loop's socket pair.
        return len(sockets) - 4

    def until_connections(self, number: int, timeout: float = 60) -> None:
        wait.until(
            f"{number} connections", lambda: self.connections() == number, timeout, interval=0.01
        )

    def peak_memory(self) -> int:
        """The most memory it has used so far, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def raw(self, request: bytes) -> bytes:
        """Send bytes, then read until the connection is closed."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(str(self.socket))
        return connection


def read_all(connection: socket.socket) -> bytes:
    """Read until the peer stops sending."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def until_read(connection: socket.socket) -> None:
    """Wait until the peer has read everything that was sent (unix(7): SIOCOUTQ)."""

    def unread() -> int:
        return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)

    wait.until("the peer to read", lambda: unread() == 0, 60, interval=0.005)


class Docker:
    """The docker client with its own configuration, for one socket."""

    def __init__(self, folder: Path, address: Path, lesson: str | None = None) -> None:
        config = folder / f"config-{lesson}-{address.stem}"
        plugins = config / "cli-plugins"
        plugins.mkdir(parents=True)
        settings = {"HttpHeaders": {docker_client.LESSON_HEADER: lesson}} if lesson else {}
        (config / "config.json").write_text(json.dumps(settings))
        for found in PLUGINS:
            (plugins / found.name).symlink_to(found)
        kept = {
            name: value for name, value in os.environ.items() if name not in docker_client.UNSET
        }
        self.env = kept | {"DOCKER_HOST": f"unix://{address}", "DOCKER_CONFIG": str(config)}

    @contextmanager
    def popen(self, *words: str, **options) -> Iterator[subprocess.Popen]:
        """Start a command; kill it at the end of the block if it still runs."""
        with subprocess.Popen(["docker", *words], env=self.env, **options) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *words: str, **options) -> subprocess.CompletedProcess:
        options = {"capture_output": True, "text": True, "timeout": 120} | options
        return subprocess.run(["docker", *words], env=self.env, check=False, **options)

    def __call__(self, *words: str, **options) -> str:
        """Run a command that must succeed; return its output."""
        done = self.run(*words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() if isinstance(done.stdout, str) else done.stdout


class Dockerd:
    """A private dockerd without a bridge, so that it does not disturb others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "engine.sock"
        self.log = folder / "dockerd.log"

    def start(self, *options: str | Path) -> Dockerd:
        argv = engine_root.command(
            ENGINE_ROOT,
            *("dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec"),
            *("--pidfile", self.folder / "pid", "--host", f"unix://{self.socket}"),
            *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
            *("--feature", "containerd-snapshotter=false", *options),
        )
        with self.log.open("ab") as log:
            self.process = psutil.Popen([str(word) for word in argv], stdout=log, stderr=log)
        wait.until("dockerd", self.answers, 120, log=self.log)
        return self

    def answers(self) -> bool:
        assert self.process.poll() is None, wait.tail(self.log)
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)) != 0:
                return False
            probe.settimeout(5)
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b"200 OK" in read_all(probe)

    def kill(self) -> None:
        """Kill it, its containerd and its containers, as in a crash."""
        family = [*self.process.children(recursive=True), self.process]
        for shim in psutil.process_iter(["name", "cmdline"]):
            # Shims are not children of dockerd; their command line names its containerd.
            words = shim.info["cmdline"] or ()
            if shim.info["name"].startswith("containerd-shim") and any(
                word.startswith(f"{self.folder}/") for word in words
            ):
                family += [shim, *shim.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=60)
        mounts = Path("/proc/self/mounts").read_text().split()[1::6]
        for mount in sorted(mounts, reverse=True):
            if mount.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", mount], check=True)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(120)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for sockets (unix(7))."""
    folder = Path(tempfile.mkdtemp(prefix="door-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def build_busybox(docker: Docker, folder: Path) -> None:
    """Build an image called busybox from Debian's static program, without installing it."""
    subprocess.run(
        ["apt-get", "download", "busybox-static"], cwd=folder, check=True, capture_output=True
    )
    (package,) = folder.glob("busybox-static_*.deb")
    context = folder / "busybox"
    subprocess.run(["dpkg-deb", "--extract", package, context], check=True)
    (context / "Dockerfile").write_text(
        'FROM scratch\nCOPY bin /bin\nRUN ["/bin/busybox", "--install", "/bin"]\nCMD ["sh"]\n'
    )
    docker("build", "--network=none", "--quiet", "--tag", "busybox", str(context))
