"""Lab 14: limitations. Reads the rights of containers from inside, as the kernel shows them."""

from __future__ import annotations

import re
from pathlib import Path

from docker.models.containers import Container

from dockyard.labs.inspection import MEGABYTE
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

CHOWN = 1 << 0
"""The first capability (capabilities(7); linux/capability.h: CAP_CHOWN is 0)."""


def kernel(probe: Probe) -> str:
    """The file holds the kernel's version."""
    said = probe.file("kernel.txt").strip()
    _, version = probe.run("busybox", "uname", "-r")
    if said != version.strip():
        raise NotYet(f"kernel.txt says {brief(said)!r}.")
    return "kernel.txt names the kernel of this computer: there is only one."


def hermit(probe: Probe) -> str:
    """The container has no network interface except loopback."""
    container = probe.running(probe["HERMIT"])
    _, text = probe.execute(container, "ls", "/sys/class/net")
    if cards := [each for each in text.split() if each.startswith("eth")]:
        raise NotYet(f"{container.name} has a network card, {cards[0]}.")
    return f"{container.name} has no network card."


def guest(probe: Probe) -> str:
    """The file belongs to user 1000."""
    container = probe.running(probe["GUEST"])
    code, text = probe.execute(container, "stat", "-c", "%u", "/tmp/mine")
    if code:
        raise NotYet(f"{container.name} has no file /tmp/mine.")
    if text.strip() != "1000":
        raise NotYet(f"/tmp/mine in {container.name} belongs to user {text.strip()}.")
    return f"/tmp/mine in {container.name} belongs to user 1000."


def modest(probe: Probe) -> str:
    """The program is not root."""
    container = probe.running(probe["MODEST"])
    user = _status(probe, container)["Uid"]
    if user == "0":
        _, text = probe.execute(container, "sh", "-c", "cat /proc/[0-9]*/status")
        users = set(re.findall(r"^Uid:\s+(\d+)", text, re.MULTILINE))
        raise NotYet(
            f"The program of {container.name} runs as root.",
            mistake="user-only-for-exec" if users - {"0"} else None,
        )
    return f"The program of {container.name} runs as user {user}."


def sealed(probe: Probe) -> str:
    """The server answers, and its root file system is read-only."""
    name, port = probe["SEALED"], int(probe["PORT"])
    container = probe.container(name)
    if container.status == "exited" and container.attrs["HostConfig"]["ReadonlyRootfs"]:
        raise NotYet(
            f"{name} has ended with exit code {container.attrs['State']['ExitCode']}: it could "
            "not write anywhere.",
            mistake="nowhere-to-write",
        )
    probe.running(name)
    probe.must_publish(container, 80, port)
    probe.get(port)
    _, mounts = probe.execute(container, "cat", "/proc/mounts")
    if not _is_read_only(mounts, "/"):
        only = any(not mount["RW"] for mount in container.attrs["Mounts"])
        raise NotYet(
            f"The file system of {name} can be written to.",
            mistake="only-the-mount-is-read-only" if only else None,
        )
    return f"{name} answers at port {port}, and its file system cannot be written to."


def owner(probe: Probe) -> str:
    """CHOWN is the only capability."""
    container = probe.running(probe["CHOWNER"])
    status = _status(probe, container)
    if status["Uid"] != "0":
        raise NotYet(f"The program of {container.name} runs as user {status['Uid']}, not as root.")
    left = int(status["CapBnd"], 16)
    if left == CHOWN:
        return f"{container.name} may change owners, and has no other right of root."
    if not left:
        raise NotYet(
            f"{container.name} has no capability at all.", mistake="nothing-left-to-work-with"
        )
    dropped = container.attrs["HostConfig"]["CapDrop"] or []
    raise NotYet(
        f"{container.name} has {left.bit_count()} capabilities.",
        mistake=None if dropped else "added-to-the-usual-ones",
    )


def small(probe: Probe) -> str:
    """Memory and processes are limited."""
    container = probe.running(probe["SMALL"])
    host = container.attrs["HostConfig"]
    memory, processes = host["Memory"] or 0, host["PidsLimit"] or 0
    enough = 0 < memory <= 48 * MEGABYTE
    few = 0 < processes <= 20
    if not enough and host["MemoryReservation"]:
        raise NotYet(
            f"{container.name} has a reservation of memory, and no limit.",
            mistake="a-wish-is-no-limit",
        )
    if enough and few:
        return f"{container.name} has limits of memory and of processes."
    amount = f"a limit of {memory // MEGABYTE} MB" if memory else "no limit"
    number = f"a limit of {processes}" if processes > 0 else "no limit"
    raise NotYet(
        f"{container.name} has {amount} of memory and {number} of processes.",
        mistake="one-limit-of-two" if enough or few else None,
    )


def clerk(probe: Probe) -> str:
    """The folder is mounted read-only, without the folders around it."""
    container = probe.running(probe["CLERK"])
    code, text = probe.execute(container, "cat", "/papers/page.txt")
    if code or probe["TOKEN"] not in text:
        raise NotYet(f"{container.name} has no /papers/page.txt with the right words.")
    mounts = {mount["Destination"].rstrip("/"): mount for mount in container.attrs["Mounts"]}
    if "/papers" not in mounts:
        raise NotYet(
            f"/papers in {container.name} is a copy, in its own layer.",
            mistake="copied-not-mounted",
        )
    folder = probe.attempt.work.resolve()
    for path, mount in sorted(mounts.items()):
        source = Path(mount["Source"])
        if mount["Type"] == "bind" and (source == folder or source in folder.parents):
            raise NotYet(
                f"{container.name} sees your whole folder, and secret.txt, at {path or '/'}.",
                mistake="mount-too-large",
            )
    if mounts["/papers"]["RW"]:
        raise NotYet(
            f"{container.name} could change what is in papers.", mistake="mount-can-be-written"
        )
    if mounts["/papers"]["Type"] != "bind":
        raise NotYet(f"/papers in {container.name} is a volume of the daemon, not your folder.")
    return f"{container.name} can read papers, and sees nothing else of your folder."


def _status(probe: Probe, container: Container) -> dict[str, str]:
    """The status of a container's first process (proc_pid_status(5))."""
    code, text = probe.execute(container, "cat", "/proc/1/status")
    if code:
        raise Broken(f"{container.name} does not show its first process.")
    return dict(re.findall(r"^(\w+):\s*(\S+)", text, re.MULTILINE))


def _is_read_only(mounts: str, path: str) -> bool:
    found = [line.split() for line in mounts.splitlines() if line.split()[1:2] == [path]]
    return bool(found) and "ro" in found[-1][3].split(",")
