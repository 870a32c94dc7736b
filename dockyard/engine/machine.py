"""The machine engine: a real dockerd in a small virtual machine that is an ordinary process.

User-Mode Linux in its seccomp mode needs no root, no KVM, no devices and no user namespace. One
process tree per home: the network helper (guest/network.c) with the machine as its child.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import psutil

from dockyard import paths, wait
from dockyard.engine import image, limits
from dockyard.engine.base import Engine, Need, Say, Upstream, disk_space
from dockyard.engine.discovery import Candidate, architecture, probe
from dockyard.exceptions import DiskFull, EngineStartFailed, EngineUnavailable
from dockyard.process import Lock, Service

HOST_AS_SEEN_INSIDE = "192.168.127.1"
"""Where the machine finds this host's loopback (guest/network.c)."""

START_TIMEOUT = 90.0
STOP_TIMEOUT = 40.0

DATA_DISK = 20 * 1024**3
"""Most bytes the machine's disk may take; the file is sparse and grows as it fills."""

ROOM_TO_RUN = 1 * 1024**3
"""Free bytes below which the machine is not started: the lessons' images and layers."""

GUEST_NAMES = (
    *("docker-proxy", "iptables", "libnetwork-setkey", "runc", "crun"),
    *("listen", "poweroff"),
)
"""The names under which guest/guest.c is called."""

REMOVE_DATA = (
    "Begin with an empty disk:  python3 -m dockyard engine stop; rm {disk}; "
    "python3 -m dockyard engine start --engine machine"
)


class MachineEngine(Engine):
    """dockerd in a virtual machine without any privilege."""

    name: ClassVar[str] = "machine"
    title: ClassVar[str] = "a Docker daemon in a small virtual machine, without privileges"
    # The default bridge's gateway; guest/init leads this port on to the registry.
    inner_mirror: ClassVar[str] = "http://172.17.0.1:5050"

    def __init__(self) -> None:
        self.service = Service("machine")
        self.run = paths.run_dir() / "machine"
        self.socket = paths.run_dir() / "machine.sock"
        self.data_disk = image.folder() / "data.ext4"

    def needs(self) -> list[Need]:
        """Linux on amd64, memory, disk space, and the artefacts or what builds them."""
        return list(self._needs())

    def _needs(self) -> Iterator[Need]:
        system = f"{platform.system()} on {architecture()}"
        yield Need("Linux on amd64", system == "Linux on amd64", system)
        memory = limits.memory()
        yield Need(
            "memory",
            limits.machine_memory(memory) is not None,
            f"{memory / 1e9:.1f} GB, {limits.LEAST_TOTAL / 1e9:.1f} GB needed",
            "Close other programs, or use a machine with more memory.",
        )
        yield disk_space(
            ROOM_TO_RUN,
            "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn --engine machine",
        )
        absent = image.missing_packages()
        yield Need(
            "programs",
            not absent,
            f"missing packages: {' '.join(absent)}" if absent else "all present",
            f"sudo apt-get install --no-install-recommends {' '.join(absent)}" if absent else "",
        )
        seccomp = Path("/proc/sys/kernel/seccomp/actions_avail")
        actions = seccomp.read_text().split() if seccomp.exists() else []
        yield Need(
            "seccomp filters",
            "trap" in actions,
            f"this kernel offers: {' '.join(actions) or 'none'}",
            "Use a host whose kernel has CONFIG_SECCOMP_FILTER.",
        )

    def upstream(self) -> Upstream | None:
        """The machine's socket, when its daemon answers."""
        if self.service.process() is None:
            return None
        found = self._ask(timeout=5)
        return found.upstream if found.verdict == "answers" else None

    def _ask(self, timeout: float) -> Candidate:
        return probe("the machine", Upstream(f"unix://{self.socket}"), timeout)

    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Upstream:
        """Start the machine, or find it running; repairs what a killed one left.

        The first start of a home fetches or builds the artefacts.
        """
        with Lock("machine-start", timeout=3600):
            if running := self.upstream():
                return running
            self._check()
            artefacts = image.prepare(say)
            self._end(say)
            self._prepare_disk()
            self._prepare_run_folder(artefacts, mirror)
            memory = limits.machine_memory(limits.memory())
            say(f"starting the machine: User-Mode Linux with {memory >> 20} MiB")
            self.service.start(
                self._command(artefacts, memory),
                # The machine's memory is a file here; see limits.memory_folder.
                env={"TMPDIR": str(limits.memory_folder(memory, image.folder()))},
            )
            return wait.until(
                "the machine's Docker daemon to answer",
                self._answering,
                timeout=START_TIMEOUT,
                log=self.service.log,
                error=EngineStartFailed,
                next="Try once more:  python3 -m dockyard engine start --engine machine",
            )

    def _check(self) -> None:
        for need in self.unmet():
            if need.name == "disk space":
                raise DiskFull(
                    "There is too little free disk space for the machine.",
                    f"{need.found}.",
                    f"Next:  {need.next}",
                )
            raise EngineUnavailable(
                f"The machine engine cannot run here: {need.name} is missing.",
                f"Found: {need.found}.",
                f"Next:  {need.next or 'python3 -m dockyard doctor'}",
            )

    def _prepare_disk(self) -> None:
        if self.data_disk.exists():
            return
        free = shutil.disk_usage(image.folder()).free
        # Full inside before it is full outside: dockerd can say so, and nothing breaks.
        image.make_data_disk(self.data_disk, min(DATA_DISK, free - ROOM_TO_RUN // 4) >> 20 << 20)

    def _prepare_run_folder(self, artefacts: image.Artefacts, mirror: str | None) -> None:
        """Everything the machine is told: paths without spaces, programs and settings."""
        shutil.rmtree(self.run, ignore_errors=True)
        guest = self.run / "guest"
        guest.mkdir(parents=True, mode=0o700)
        # User-Mode Linux splits its disks' names at commas and colons, which a home may have.
        (self.run / "root.ext4").symlink_to(artefacts.root)
        (self.run / "data.ext4").symlink_to(self.data_disk)
        for name in ("init", "containerd.toml"):
            shutil.copy(image.GUEST / name, guest / name)
        (guest / "init").chmod(0o755)
        for name in GUEST_NAMES:
            shutil.copy(artefacts.guest, guest / name)
            (guest / name).chmod(0o755)
        (guest / "settings").write_text(self._settings(mirror))

    def _settings(self, mirror: str | None) -> str:
        options = ["--add-runtime=crun=/mnt/crun"]
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
            "shares": ":".join(map(str, shared_folders())),
            "mirror_port": port,
            "dockerd_options": shlex.join(options),
        }
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())

    def _command(self, artefacts: image.Artefacts, memory: int) -> list[str | Path]:
        return [
            artefacts.network,
            self.socket,
            self.run / "cable.sock",
            self.run / "control.sock",
            str(limits.calmest_cpu()),
            artefacts.kernel,
            f"mem={memory >> 20}M",
            "seccomp=on",
            f"ubd0r={self.run / 'root.ext4'}",
            f"ubd1={self.run / 'data.ext4'}",
            *("root=/dev/ubda", "ro", "rootfstype=ext4", "init=/sbin/dockyard-init"),
            f"guest={self.run / 'guest'}",
            f"vec0:transport=bess,dst={self.run / 'cable.sock'},depth=64,gro=1",
            "ip=192.168.127.2::192.168.127.1:255.255.255.0:dockyard:vec0:off",
            *(f"uml_dir={self.run}/", "umid=console"),
            *("con=null", "con0=null,fd:1", "ssl=null", "quiet", "panic=-1"),
        ]

    def _answering(self) -> Upstream | None:
        if self.service.process() is None:
            raise EngineStartFailed(
                "The machine ended instead of starting.",
                self._last_words(),
                self._recovery(),
            )
        # Asking earlier would only add to what the starting daemon has to do.
        if "API listen on" not in wait.tail(self.run / "guest" / "dockerd.log", 40):
            return None
        found = self._ask(timeout=5)
        return found.upstream if found.verdict == "answers" else None

    def _last_words(self) -> str:
        ended = self.run / "guest" / "ended"
        return ended.read_text().strip() if ended.exists() else wait.tail(self.service.log, 8)

    def _recovery(self) -> str:
        if "disk is damaged" in self._last_words():
            return REMOVE_DATA.format(disk=shlex.quote(str(self.data_disk)))
        return f"Read {self.service.log}, then:  python3 -m dockyard doctor"

    def stop(self, say: Say) -> None:
        """Stop containers and daemon, unmount the data disk, end the machine."""
        with Lock("machine-start", timeout=3600):
            self._end(say)
            shutil.rmtree(self.run, ignore_errors=True)
            self.socket.unlink(missing_ok=True)

    def _end(self, say: Say) -> None:
        process = self.service.process()
        if process is not None and tell(self.run / "console" / "mconsole", "cad"):
            try:
                process.wait(STOP_TIMEOUT)
            except psutil.TimeoutExpired:
                say("the machine did not stop by itself and is ended")
        self.service.stop(timeout=5)


def shared_folders() -> list[Path]:
    """The host's folders that a bind mount finds in the machine, at the same path.

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


MCONSOLE = struct.Struct("=III512s")


def tell(console: Path, command: str, timeout: float = 5.0) -> bool:
    """Send one command to the machine's management console; False when nobody listens.

    timeout is in seconds. arch/um/drivers/mconsole.h.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.settimeout(timeout)
        # An address of its own, which the kernel picks, or no answer could come (unix(7)).
        ours.bind("")
        request = MCONSOLE.pack(0xCAFEBABE, 2, len(command), command.encode())
        try:
            ours.sendto(request, str(console))
            answer = ours.recv(4096)
        except OSError:
            return False
    return struct.unpack_from("=I", answer)[0] == 0
