"""The backends that run the machine as a virtual PC in QEMU: with KVM, or emulated.

The trial boots a firmware of twelve bytes that counts to ten million and exits QEMU. Being able to
open /dev/kvm is not enough: on some hosts it works, but a guest runs extremely slowly.
"""

from __future__ import annotations

import functools
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from dockyard.engine import system_packages
from dockyard.engine.vm.backend import ADDRESS, Backend, Boot, Command

PROGRAM = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
INSTALL = f"sudo apt-get install --no-install-recommends {PACKAGE}"

TRIAL_SECONDS = 1.5
"""Ten million steps take a processor 0.005 s and an emulator about 0.1 s."""

TRIAL_CODE = bytes.fromhex(
    "66b980969800"  # mov ecx, 10000000
    "664975fc"  # again: dec ecx; jnz again
    "b010e6f4"  # mov al, 0x10; out 0xf4, al: isa-debug-exit exits QEMU with 2 * 0x10 + 1
    "f4"  # hlt
)
TRIAL_SUCCESS = 33

KVM = Path("/dev/kvm")

# mmap, because SQLite and Git write to files that they map.
MOUNT_OPTIONS = "trans=virtio,version=9p2000.L,msize=512000,cache=mmap"


class QemuPC(Backend):
    """A PC with virtio devices, on one of QEMU's accelerators."""

    accelerator: ClassVar[str]
    cpu: ClassVar[str]
    kernel: ClassVar[str] = "vmlinux"
    settings: ClassVar[dict[str, str]] = {
        "cable": "eth0",
        "data_disk": "/dev/vdb",
        # With -no-reboot QEMU exits when the machine restarts.
        "power_off": "restart",
        "stop_line": "/dev/ttyS0",
    }

    def problem(self) -> str:
        """Run the trial firmware on this accelerator."""
        if system_packages.which(PROGRAM) is None:
            return f"{PROGRAM} is missing (install it:  {INSTALL})"
        return _try(self.accelerator, self.cpu)

    def command(self, boot: Boot) -> Command:
        """One process, with a thread for the processor."""
        run = boot.run
        kernel_line = [
            *("root=/dev/vda", "ro", "rootfstype=ext4", "init=/sbin/dockyard-init"),
            *("share=9p", f"guest={MOUNT_OPTIONS}"),
            f"ip={ADDRESS}:eth0:off",
            *("console=ttyS0", "quiet", "panic=-1", "reboot=t", "net.ifnames=0"),
        ]
        words: list[str | Path] = [
            *_base("pc,usb=off,vmport=off", self.accelerator, self.cpu),
            *("-m", f"{boot.memory >> 20}M", "-smp", "1"),
            *("-kernel", boot.artifacts.kernel, "-append", " ".join(kernel_line)),
            *_disk("root", run / "root.ext4", "on"),
            *_disk("data", run / "data.ext4", "off"),
            *("-netdev", "socket,id=cable,fd=3", "-device", "virtio-net-pci,netdev=cable,romfile="),
            *("-device", "virtio-rng-pci"),
            *("-chardev", f"socket,id=console,path={_quoted(run / 'console.sock')},server=on,"
              f"wait=off,logfile={_quoted(run / 'console.log')}"),
            *("-serial", "chardev:console"),
            *_shared("guest", run / "guest"),
        ]  # fmt: skip
        for number, folder in enumerate(boot.shares):
            words += _shared(f"share{number}", folder)
        return Command(words, cable="-")

    def share(self, folder: Path, number: int) -> tuple[str, str, str]:
        """A 9p mount over virtio; files in it are created as the user who runs QEMU."""
        return "9p", MOUNT_OPTIONS, f"share{number}"

    def request_shutdown(self, run: Path) -> bool:
        """By a line on the console, which guest/init reads."""
        with socket.socket(socket.AF_UNIX) as console:
            console.settimeout(5)
            try:
                console.connect(str(run / "console.sock"))
                console.sendall(b"stop\n")
            except OSError:
                return False
        return True


class VirtualPC(QemuPC):
    """QEMU with KVM."""

    name: ClassVar[str] = "kvm"
    title: ClassVar[str] = "QEMU with KVM"
    accelerator: ClassVar[str] = "kvm"
    cpu: ClassVar[str] = "host"
    start_timeout: ClassVar[float] = 60.0

    def problem(self) -> str:
        """Check that this user may open /dev/kvm and that a guest runs at the processor's speed."""
        try:
            with KVM.open("r+b", buffering=0):
                pass
        except FileNotFoundError:
            return f"there is no {KVM}"
        except OSError as error:
            return f"{KVM} cannot be opened: {error.strerror}"
        return super().problem()


class EmulatedPC(QemuPC):
    """QEMU alone: works everywhere, about ten times slower than the processor."""

    name: ClassVar[str] = "tcg"
    title: ClassVar[str] = "QEMU without KVM, which emulates the processor"
    accelerator: ClassVar[str] = "tcg"
    cpu: ClassVar[str] = "max"
    start_timeout: ClassVar[float] = 300.0


@functools.cache
def _try(accelerator: str, cpu: str) -> str:
    firmware = bytearray(b"\xf4" * 65536)
    firmware[: len(TRIAL_CODE)] = TRIAL_CODE
    # The processor starts 16 bytes before the end: jump to the start of this segment.
    firmware[0xFFF0:0xFFF5] = b"\xea\x00\x00\x00\xf0"
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(firmware)
        file.flush()
        try:
            done = subprocess.run(
                [
                    *_base("pc", accelerator, cpu),
                    *("-m", "16", "-device", "isa-debug-exit,iobase=0xf4", "-bios", file.name),
                ],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TRIAL_SECONDS if accelerator == "kvm" else 10 * TRIAL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"a trial guest was far too slow with {accelerator}"
    if done.returncode == TRIAL_SUCCESS:
        return ""
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return f"a trial guest did not run: {last[0]}"


def _base(machine: str, accelerator: str, cpu: str) -> list[str]:
    return [
        *(system_packages.which(PROGRAM) or PROGRAM, "-M", machine),
        *("-accel", accelerator, "-cpu", cpu),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
    ]


def _disk(name: str, file: Path, read_only: str) -> list[str]:
    # writeback without flushes, as on the other backends; holes stay holes.
    options = "format=raw,if=none,cache=writeback,discard=unmap,detect-zeroes=unmap"
    # Several homes may share one root image, and User-Mode Linux locks the files it reads.
    locking = "off" if read_only == "on" else "auto"
    drive = f"{options},id={name},readonly={read_only},file={_quoted(file)},file.locking={locking}"
    # Reports a full disk of the host to the guest; by default QEMU pauses until there is room.
    device = f"virtio-blk-pci,drive={name},werror=report,rerror=report"
    return ["-drive", drive, "-device", device]


def _shared(tag: str, folder: Path) -> list[str]:
    # none: a file created by root in a container belongs to the user who runs QEMU.
    options = f"local,id={tag},security_model=none,multidevs=remap,path={_quoted(folder)}"
    return ["-fsdev", options, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")
