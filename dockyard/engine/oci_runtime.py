"""An OCI runtime for hosts where even root does not have every capability.

Inside containers and on some rented machines the capability bounding set (capabilities(7)) is
incomplete. Docker 20.10 asks runc for every capability the kernel knows when a container is
``--privileged``, and runc fails: "unable to apply caps". This wrapper removes the capabilities
that are missing here from the container's config.json, then executes runc.
"""

from __future__ import annotations

from pathlib import Path

NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
"""The capabilities by number (linux/capability.h)."""

WRAPPER_NAME = "runc-without-missing-capabilities"
FORMER_NAME = "runc-with-what-there-is"
"""In the first edition; it named a runc that the engine root may have elsewhere."""

WRAPPER = """\
#!/bin/sh
# Made by the course: removes capabilities this host's root does not have, then runs runc.
previous= file=
for word; do
    case $previous in
        --bundle|-b) file=$word/config.json ;;
        --process|-p) file=$word ;;
    esac
    previous=$word
done
[ -n "$file" ] && sed -i -e '' {edits} "$file"
exec runc "$@"
"""


def missing_capabilities(status: Path = Path("/proc/self/status")) -> list[str]:
    """The capabilities that this process's bounding set does not have, such as SYS_RESOURCE."""
    try:
        lines = status.read_text().splitlines()
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    except OSError:
        return []
    bounding = next(int(line.split()[1], 16) for line in lines if line.startswith("CapBnd:"))
    known = NAMES[: last + 1]
    return [name for number, name in enumerate(known) if not bounding >> number & 1]


def options(folder: Path) -> list[str]:
    """The options that make dockerd use the wrapper, which is written to folder.

    Empty where no capability is missing.
    """
    if not missing_capabilities():
        return []
    _write(folder)
    return [*known(folder), "--default-runtime=course"]


def _write(folder: Path) -> None:
    edits = " ".join(
        f"""-e 's/,[[:space:]]*"CAP_{name}"//g' -e 's/"CAP_{name}",[[:space:]]*//g'"""
        for name in missing_capabilities()
    )
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = folder / WRAPPER_NAME
    wrapper.write_text(WRAPPER.format(edits=edits))
    wrapper.chmod(0o755)


def known(folder: Path) -> list[str]:
    """The option that makes dockerd know the wrapper, if one was written to folder.

    A container that was made with the wrapper can be started only by a dockerd that knows it.
    """
    if (folder / FORMER_NAME).exists():
        _write(folder)
        (folder / FORMER_NAME).unlink()
    wrapper = folder / WRAPPER_NAME
    return [f"--add-runtime=course={wrapper}"] if wrapper.exists() else []
