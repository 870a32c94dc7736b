"""The machine as an ordinary process: User-Mode Linux in its seccomp mode.

It needs no root, no KVM, no device and no user namespace: a filter that traps system calls
(seccomp(2)) is all it asks of the host.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from dockyard.engine.vm import artifacts, resources
from dockyard.engine.vm.backend import ADDRESS, Backend, Boot, Command

ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")

TRIAL_SECONDS = 10.0


class UserModeLinux(Backend):
    """Linux as an ordinary process."""

    name: ClassVar[str] = "uml"
    title: ClassVar[str] = "User-Mode Linux"
    kernel: ClassVar[str] = "linux"
    has_lan: ClassVar[bool] = True
    start_timeout: ClassVar[float] = 90.0
    settings: ClassVar[dict[str, str]] = {
        "cable": "vec0",
        "data_disk": "/dev/ubdb",
        "ending": "poweroff",
        "stop_line": "",
        "log": "/mnt/dockerd.log",
    }

    def refusal(self) -> str:
        """Whether this host has seccomp filters that trap; the kernel, once made, is asked too."""
        actions = ACTIONS.read_text().split() if ACTIONS.exists() else []
        if "trap" not in actions:
            offers = " ".join(actions) or "none"
            return f"this host has no seccomp filters that trap (it offers: {offers})"
        kernel = artifacts.place(self.kernel)
        return _tried(kernel) if artifacts.complete(kernel) else ""

    def command(self, boot: Boot) -> Command:
        """One process for the kernel, and one for each program in it, all on one CPU."""
        run = boot.run
        words = [
            boot.artefacts.kernel,
            f"mem={boot.memory >> 20}M",
            "seccomp=on",
            f"ubd0r={run / 'root.ext4'}",
            f"ubd1={run / 'data.ext4'}",
            *("root=/dev/ubda", "ro", "rootfstype=ext4", "init=/sbin/dockyard-init"),
            *("share=hostfs", f"guest=hostfs={run / 'guest'}"),
            f"vec0:transport=bess,dst={run / 'cable.sock'},depth=64,gro=1",
            f"ip={ADDRESS}:vec0:off",
            *(f"uml_dir={run}/", "umid=console"),
            *("con=null", "con0=null,fd:1", "ssl=null", "quiet", "panic=-1"),
        ]
        if boot.lan:
            words.append(f"vec1:transport=bess,dst={run / 'lan.sock'},depth=64")
        # The machine's memory is a file there; see limits.memory_folder.
        memory = str(resources.memory_folder(boot.memory, artifacts.folder()))
        cable = str(run / "cable.sock")
        return Command(words, cable, resources.calmest_cpu(), {"TMPDIR": memory})

    def share(self, folder: Path, number: int) -> tuple[str, str, str]:
        """hostfs reaches what this user may read, and no more.

        A plain hostfs mount would show the whole host.
        """
        return "hostfs", f"hostfs={folder}", "host"

    def ask_to_stop(self, run: Path) -> bool:
        """By the kernel's management console."""
        return tell(run / "console" / "mconsole", "cad")


def _tried(kernel: Path) -> str:
    """Start the kernel without a disk: it checks the host, finds no root and ends."""
    with tempfile.TemporaryDirectory(prefix="dockyard-") as folder:
        try:
            tried = subprocess.run(
                [
                    *(kernel, "mem=32M", "seccomp=on", f"uml_dir={folder}/"),
                    *("con=null", "con0=null,fd:1", "panic=-1"),
                ],
                env={"TMPDIR": str(resources.memory_folder(32 << 20, artifacts.folder()))},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TRIAL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"its kernel did not end within {TRIAL_SECONDS:g} s when tried"
        except OSError as error:
            return f"its kernel could not be run: {error.strerror}"
    said = tried.stdout + tried.stderr
    if "Unable to mount root fs" in said:
        return ""
    return f"its kernel ended when tried: {_telling(said)}"


def _telling(said: str) -> str:
    """The line that says why, from what a kernel printed."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for sign in ("not functional", "seccomp", "Cannot", "cannot", "fail", "denied", "panic"):
        for line in reversed(lines):
            if sign in line and not line.endswith("OK"):
                return line
    return lines[-1] if lines else "it printed nothing"


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
