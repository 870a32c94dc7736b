"""The machine as a virtual PC in QEMU: on KVM where that works, else emulated.

The trial is a program of twelve bytes in place of the firmware: it counts to ten million and
ends QEMU. Opening /dev/kvm says little: on some hosts everything is there and a guest crawls.
"""

from __future__ import annotations

import functools
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from dockyard.core import wait
from dockyard.engine import system_packages
from dockyard.engine.vm import suspended
from dockyard.engine.vm.backend import ADDRESS, Backend, Boot, Command
from dockyard.engine.vm.suspended import Suspended
from dockyard.exceptions import StateLost

PROGRAM = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
INSTALL = f"sudo apt-get install --no-install-recommends {PACKAGE}"

TRIAL_SECONDS = 1.5
"""A processor needs 0.005 s for ten million steps, an emulated one about 0.1 s."""

TRIAL_CODE = bytes.fromhex(
    "66b980969800"  # mov ecx, 10000000
    "664975fc"  # again: dec ecx; jnz again
    "b010e6f4"  # mov al, 0x10; out 0xf4, al: isa-debug-exit ends QEMU with 2 * 0x10 + 1
    "f4"  # hlt
)
TRIAL_SUCCESS = 33

ANSWER_SECONDS = 60.0
"""How long an emulated guest may take for a line on its console, on a busy host."""

KVM = Path("/dev/kvm")


class QemuPC(Backend):
    """A PC with virtio devices; the accelerator makes the difference."""

    accelerator: ClassVar[str]
    cpu: ClassVar[str]
    kernel: ClassVar[str] = "vmlinux"
    settings: ClassVar[dict[str, str]] = {
        "cable": "eth0",
        "data_disk": "/dev/vdb",
        # QEMU is told that a restart is the end.
        "ending": "restart",
        "stop_line": "/dev/ttyS0",
        "log": "/dev/ttyS1",
    }

    def refusal(self) -> str:
        """Run twelve bytes on this accelerator."""
        if system_packages.which(PROGRAM) is None:
            return f"{PROGRAM} is missing (install it:  {INSTALL})"
        return _tried(self.accelerator, self.cpu)

    def command(self, boot: Boot) -> Command:
        """One process, with a thread for the processor."""
        run = boot.run
        kernel_line = [
            *("root=/dev/vda", "ro", "rootfstype=ext4", "init=/sbin/dockyard-init"),
            *("share=9p", f"guest={_mount_options()}"),
            f"ip={ADDRESS}:eth0:off",
            *("console=ttyS0", "quiet", "panic=-1", "reboot=t", "net.ifnames=0"),
        ]
        words: list[str | Path] = [
            system_packages.which(PROGRAM) or PROGRAM,
            *("-M", "pc,usb=off,vmport=off", "-accel", self.accelerator, "-cpu", self.cpu),
            *("-m", f"{boot.memory >> 20}M", "-smp", "1"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-kernel", boot.artefacts.kernel, "-append", " ".join(kernel_line)),
            *_disk("root", run / "root.ext4", "on"),
            *_disk("data", run / "data.ext4", "off"),
            *("-netdev", "socket,id=cable,fd=3", "-device", "virtio-net-pci,netdev=cable,romfile="),
            *("-device", "virtio-rng-pci"),
            *("-chardev", f"socket,id=console,path={_quoted(run / 'console.sock')},server=on,"
              f"wait=off,logfile={_quoted(run / 'console.log')}"),
            *("-serial", "chardev:console"),
            *("-chardev", f"file,id=log,append=on,path={_quoted(run / 'guest' / 'dockerd.log')}"),
            *("-serial", "chardev:log"),
            *("-qmp", f"unix:{_quoted(run / 'monitor.sock')},server=on,wait=off"),
            *_shared("guest", run / "guest"),
        ]  # fmt: skip
        for number, folder in enumerate(boot.shares):
            words += _shared(f"share{number}", folder)
        return Command(words, cable="-")

    def share(self, folder: Path, number: int) -> tuple[str, str, str]:
        """9p through virtio; files are made as the user who runs QEMU."""
        return "9p", _mount_options(), f"share{number}"

    def ask_to_stop(self, run: Path) -> bool:
        """By a line on the console."""
        try:
            with _console(run, "stop"):
                return True
        except OSError:
            return False


class VirtualPC(QemuPC):
    """QEMU with KVM."""

    name: ClassVar[str] = "kvm"
    title: ClassVar[str] = "QEMU with KVM"
    accelerator: ClassVar[str] = "kvm"
    cpu: ClassVar[str] = "host"
    start_timeout: ClassVar[float] = 60.0

    def refusal(self) -> str:
        """Whether this user may open /dev/kvm and a guest runs at the processor's speed."""
        try:
            with KVM.open("r+b", buffering=0):
                pass
        except FileNotFoundError:
            return f"there is no {KVM}"
        except OSError as error:
            return f"{KVM} cannot be opened: {error.strerror}"
        return super().refusal()


class EmulatedPC(QemuPC):
    """QEMU alone: works everywhere, some ten times slower than the processor.

    To boot takes so long that a stop saves the state of the whole machine, for the next start.
    """

    name: ClassVar[str] = "tcg"
    title: ClassVar[str] = "QEMU without KVM, which emulates the processor"
    accelerator: ClassVar[str] = "tcg"
    cpu: ClassVar[str] = "max"
    start_timeout: ClassVar[float] = 300.0
    rests: ClassVar[bool] = True

    def rest(self, run: Path, target: Path) -> None:
        """The guest lets go of the host's folders, for QEMU saves no state with them."""
        try:
            said = _answer(run, "rest", "at rest", "busy")
        except OSError as error:
            raise StateLost(f"The machine does not go to rest: {error}.") from error
        if said == "busy":
            raise StateLost("A folder of the host is in use in the machine.")
        suspended.save(run / "monitor.sock", target)

    def loading(self, state: Suspended) -> Sequence[str]:
        """QEMU reads the state from a program, as in all its versions."""
        return suspended.loading(state.file)

    def wake(self, run: Path, state: Suspended) -> None:
        """The guest's clock stood still meanwhile, and its folders are to be mounted."""
        monitor = run / "monitor.sock"
        wait.until("QEMU's monitor", monitor.is_socket, 30, error=StateLost)
        suspended.go_on(monitor, state)
        try:
            _answer(run, "wake", "awake")
        except OSError as error:
            raise StateLost(f"The machine did not wake up: {error}.") from error


@functools.cache
def _tried(accelerator: str, cpu: str) -> str:
    firmware = bytearray(b"\xf4" * 65536)
    firmware[: len(TRIAL_CODE)] = TRIAL_CODE
    # The processor begins 16 bytes before the end: jump to the beginning of this segment.
    firmware[0xFFF0:0xFFF5] = b"\xea\x00\x00\x00\xf0"
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(firmware)
        file.flush()
        try:
            done = subprocess.run(
                [
                    *(system_packages.which(PROGRAM) or PROGRAM, "-M", "pc", "-accel", accelerator),
                    *("-cpu", cpu, "-m", "16", "-nodefaults", "-no-user-config"),
                    *("-display", "none", "-no-reboot"),
                    *("-device", "isa-debug-exit,iobase=0xf4", "-bios", file.name),
                ],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=TRIAL_SECONDS if accelerator == "kvm" else 10 * TRIAL_SECONDS,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"a trial guest ran far below the processor's speed with {accelerator}"
    if done.returncode == TRIAL_SUCCESS:
        return ""
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return f"a trial guest did not run: {last[0]}"


def _console(run: Path, line: str) -> socket.socket:
    """A connection to the console on which that line has been sent."""
    console = socket.socket(socket.AF_UNIX)
    try:
        console.settimeout(ANSWER_SECONDS)
        console.connect(str(run / "console.sock"))
        console.sendall(line.encode() + b"\n")
    except OSError:
        console.close()
        raise
    return console


def _answer(run: Path, line: str, *answers: str) -> str:
    """Send a line to guest/init and return which of the answers comes. OSError when none does."""
    with _console(run, line) as console, console.makefile(errors="replace") as lines:
        for said in lines:
            if said.strip() in answers:
                return said.strip()
    raise ConnectionResetError("the machine ended")


def _disk(name: str, file: Path, read_only: str) -> list[str]:
    # Write barriers are off as in the other ways; a hole stays a hole.
    options = "format=raw,if=none,cache=writeback,discard=unmap,detect-zeroes=unmap"
    # Several homes may share one root image, and User-Mode Linux locks what it reads.
    locking = "off" if read_only == "on" else "auto"
    drive = f"{options},id={name},readonly={read_only},file={_quoted(file)},file.locking={locking}"
    # A full disk of the host is told to the guest; QEMU would else stand still until it has room.
    device = f"virtio-blk-pci,drive={name},werror=report,rerror=report"
    return ["-drive", drive, "-device", device]


def _shared(tag: str, folder: Path) -> list[str]:
    # none: a file that a container's root makes belongs to the user who runs QEMU.
    options = f"local,id={tag},security_model=none,multidevs=remap,path={_quoted(folder)}"
    return ["-fsdev", options, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _mount_options() -> str:
    # mmap: SQLite and Git map files that they write.
    return "trans=virtio,version=9p2000.L,msize=512000,cache=mmap"


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")
