"""An sshd of Debian's package openssh-server, unpacked and not installed, for tests as root."""

from __future__ import annotations

import atexit
import functools
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from dockyard.core import ports, wait
from dockyard.engine import engine_root

START = """\
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
mount --bind "$1/passwd" /etc/passwd
exec /usr/sbin/sshd -D -e -f "$1/sshd_config"
"""
"""Shell in the mount namespace of the server: what the package's scripts would create."""

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
SetEnv {variables}
"""

CLIENT = """\
Host *
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
"""


class SshServer:
    """A running server that accepts this user's key; ``env`` lets ssh find key and server."""

    def __init__(self, folder: Path, process: psutil.Popen, port: int) -> None:
        self.folder = folder
        self.process = process
        self.address = f"ssh://root@127.0.0.1:{port}"
        self.env = {"PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}"}

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Empty a file: ``known_hosts`` of the user, or ``key.pub``, which the server accepts."""
        file = self.folder / name
        content = file.read_text()
        file.write_text("")
        try:
            yield
        finally:
            file.write_text(content)

    def sessions(self) -> list[psutil.Process]:
        """The processes that serve connections, and what they run."""
        return self.process.children(recursive=True)

    def commands(self) -> list[psutil.Process]:
        """The docker commands that run for them."""
        found = []
        for process in self.sessions():
            with suppress(psutil.NoSuchProcess):
                if process.name() == "docker":
                    found.append(process)
        return found


@functools.cache
def _unpacked() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sshd-"))
    atexit.register(shutil.rmtree, folder)
    words = ["apt-get", "download", "openssh-server", "libwrap0"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return folder


@contextmanager
def serving(folder: Path, **variables: str) -> Iterator[SshServer]:
    """Run a server; what is run through it has these environment variables."""
    for name in ("host_key", "key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(words, check=True)
    port = ports.choose()
    host_key = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    users = [
        # The start-up files of whoever runs the tests do not take part.
        f"root:x:0:0:root:{folder}:/bin/sh",
        "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin",
    ]
    (folder / "passwd").write_text("\n".join(users) + "\n")
    given = " ".join(f'"{name}={value}"' for name, value in variables.items())
    settings = {"folder": folder, "port": port, "variables": given}
    (folder / "sshd_config").write_text(CONFIG.format(**settings))
    (folder / "ssh_config").write_text(CLIENT.format(**settings))
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\nexec /usr/bin/ssh -F {shlex.quote(str(folder))}/ssh_config "$@"\n'
    )
    wrapper.chmod(0o755)
    words = engine_root.command(_unpacked(), "sh", "-ec", START, "sh", folder)
    log = folder / "sshd.log"
    with log.open("wb") as out:
        process = psutil.Popen([str(word) for word in words], stdout=out, stderr=out)

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    server = SshServer(folder, process, port)
    try:
        wait.until("sshd", listens, 30, log=log)
        yield server
    finally:
        family = [*server.sessions(), process]
        process.terminate()
        psutil.wait_procs(family, timeout=10)
