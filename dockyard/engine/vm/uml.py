"""The backend that runs the machine as an ordinary process: User-Mode Linux in its seccomp mode.

It needs no root, no KVM, no device and no user namespace, only seccomp filters that trap system
calls (seccomp(2)).
"""

from __future__ import annotations

import socket
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from dockyard.core import paths
from dockyard.engine.vm import artifacts, resources
from dockyard.engine.vm.backend import ADDRESS, Backend, Boot, Command

ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")

TRIAL_SECONDS = 10.0
TRIAL_MEMORY = 64
"""In MiB. Where a container's seccomp filter refuses personality(2), as Docker's does, the kernel
lies up to 1 GiB from its data, at random, and needs up to 17 MiB for pages of that gap."""


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
        "power_off": "poweroff",
        "stop_line": "",
    }

    def problem(self) -> str:
        """Check for seccomp filters that trap; start the kernel if it has been built."""
        actions = ACTIONS.read_text().split() if ACTIONS.exists() else []
        if "trap" not in actions:
            offered = " ".join(actions) or "none"
            return f"this host has no seccomp filters that trap (it offers: {offered})"
        kernel = artifacts.place(self.kernel)
        return _try(kernel) if artifacts.complete(kernel) else ""

    def command(self, boot: Boot) -> Command:
        """One process for the kernel and one for each program in it, all on one CPU."""
        run = boot.run
        cable = run / "cable.sock"
        words: list[str | Path] = [
            boot.artifacts.kernel,
            f"mem={boot.memory >> 20}M",
            "seccomp=on",
            f"ubd0r={run / 'root.ext4'}",
            f"ubd1={run / 'data.ext4'}",
            *("root=/dev/ubda", "ro", "rootfstype=ext4", "init=/sbin/dockyard-init"),
            *("share=hostfs", f"guest=hostfs={run / 'guest'}"),
            f"vec0:transport=bess,dst={cable},depth=64,gro=1",
            f"ip={ADDRESS}:vec0:off",
            *_console(run),
            *("ssl=null", "quiet", "panic=-1"),
        ]
        if boot.lan:
            words.append(f"vec1:transport=bess,dst={run / 'lan.sock'},depth=64")
        cpu = resources.least_busy_cpu()
        return Command(words, str(cable), cpu, _memory_file(boot.memory), _mconsole(run))

    def share(self, folder: Path, number: int) -> tuple[str, str, str]:
        """A hostfs mount, limited to the folder: without the option it shows the whole host."""
        return "hostfs", f"hostfs={folder}", "host"

    def request_shutdown(self, run: Path) -> bool:
        """By the kernel's management console."""
        return mconsole(_mconsole(run), "cad")


def _mconsole(run: Path) -> Path:
    return run / "console" / "mconsole"


def _console(folder: Path) -> list[str]:
    return [f"uml_dir={folder}/", "umid=console", "con=null", "con0=null,fd:1"]


def _memory_file(size: int) -> dict[str, str]:
    # The machine's memory is a file in TMPDIR.
    return {"TMPDIR": str(resources.memory_folder(size, paths.home()))}


def _try(kernel: Path) -> str:
    """Start the kernel without a disk: it checks the host, finds no root and exits."""
    with tempfile.TemporaryDirectory(prefix="dockyard-") as folder:
        try:
            tried = subprocess.run(
                [kernel, f"mem={TRIAL_MEMORY}M", "seccomp=on", *_console(Path(folder)), "panic=-1"],
                env=_memory_file(TRIAL_MEMORY << 20),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TRIAL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"its kernel did not exit within {TRIAL_SECONDS:g} s when tried"
        except OSError as error:
            return f"its kernel could not be run: {error.strerror}"
    output = tried.stdout + tried.stderr
    if "Unable to mount root fs" in output:
        return ""
    return f"its kernel exited when tried: {_reason(output)}"


def _reason(output: str) -> str:
    """The line of a kernel's output that gives the reason why it exited."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for sign in ("not functional", "seccomp", "Cannot", "cannot", "fail", "denied", "not syncing"):
        for line in reversed(lines):
            if sign in line and not line.endswith("OK"):
                return line
    return lines[-1] if lines else "it printed nothing"


MCONSOLE = struct.Struct("=III512s")


def mconsole(console: Path, command: str, timeout: float = 5.0) -> bool:
    """Send one command to a machine's management console. Returns False when it does not answer.

    timeout is in seconds. The protocol: arch/um/drivers/mconsole.h in the kernel's source.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.settimeout(timeout)
        # An empty address makes the kernel pick one; without it no answer can arrive (unix(7)).
        ours.bind("")
        request = MCONSOLE.pack(0xCAFEBABE, 2, len(command), command.encode())
        try:
            ours.sendto(request, str(console))
            answer = ours.recv(4096)
        except OSError:
            return False
    return struct.unpack_from("=I", answer)[0] == 0
