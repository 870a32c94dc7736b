"""Lab 14: limitations. Tries from inside what a container must not be able to do."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from docker.models.containers import Container

from dockyard.labs.inspection import MEGABYTE
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

MANY = """
trap 'kill $all' EXIT
for each in $(seq 20); do sleep 5 & all="$all $!"; done
"""
"""Starts 20 processes beside those of the container and this shell, and ends them."""

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
    # Not the interfaces' names: some kernels put unused tunnels into every network namespace.
    _, text = probe.execute(container, "cat", "/proc/net/fib_trie", "/proc/net/if_inet6")
    addresses = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", text)
    addresses += re.findall(r"^([0-9a-f]{32}) (?!.* lo$)", text, re.MULTILINE)
    if found := [each for each in addresses if not each.startswith("127.")]:
        raise NotYet(f"{container.name} has an interface with the address {found[0]}.")
    return f"{container.name} has no interface but its loopback."


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
    own, visitors = probe.processes(container)
    programs = [each for each in own if each["Name"] == "sleep"]
    if not programs:
        raise NotYet(f"{container.name} runs {own[-1]['Name']}, not sleep.")
    if any(each["Uid"] == "0" for each in programs):
        other = any(each["Uid"] != "0" for each in visitors)
        raise NotYet(
            f"The program of {container.name} runs as root.",
            mistake="user-only-for-exec" if other else None,
        )
    return f"The program of {container.name} runs as user {programs[0]['Uid']}."


def sealed(probe: Probe) -> str:
    """The server answers, and nobody can write to its file system."""
    name, port = probe["SEALED"], int(probe["PORT"])
    container = probe.container(name)
    if container.status == "exited":
        said = probe.log(container).strip().splitlines() or [container.attrs["State"]["Error"]]
        raise NotYet(
            f"{name} exited with code {container.attrs['State']['ExitCode']}: {brief(said[-1])}",
            mistake="nowhere-to-write" if "Read-only file system" in "".join(said) else None,
        )
    probe.running(name)
    probe.must_be_from(container, "httpd:2.4")
    probe.must_publish(container, 80, port)
    status, _ = probe.get(port)
    if status != 200:
        raise Broken(f"{name} answers with the status {status}.")
    trial = "/.check"
    attempt = f"touch {trial} && rm {trial}"
    if probe.execute(container, "sh", "-c", attempt, user="0")[0] == 0:
        only = any(not mount["RW"] for mount in container.attrs["Mounts"])
        raise NotYet(
            f"Root can write to the file system of {name}.",
            mistake="only-the-mount-is-read-only" if only else None,
        )
    for mount in container.attrs["Mounts"]:
        if mount["RW"] and mount["Type"] != "tmpfs":
            kind = "a folder of yours" if mount["Type"] == "bind" else "a volume"
            raise NotYet(f"{mount['Destination']} in {name} is {kind}, and can be written to.")
    if probe.execute(container, "unshare", "--mount", "true", user="0")[0] == 0:
        raise NotYet(
            f"Root in {name} may mount, and so make its file system writable.",
            mistake="privileged-undoes-it" if container.attrs["HostConfig"]["Privileged"] else None,
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
    if not enough and host["MemoryReservation"]:
        raise NotYet(
            f"{container.name} has a reservation of memory, and no limit.",
            mistake="a-wish-is-no-limit",
        )
    few = 0 < processes <= 20
    if not (enough and few):
        amount = f"a limit of {memory / MEGABYTE:.4g} MB" if memory else "no limit"
        number = f"a limit of {processes}" if processes > 0 else "no limit"
        raise NotYet(
            f"{container.name} has {amount} of memory and {number} of processes.",
            mistake="one-limit-of-two"
            if (enough and processes <= 0) or (few and not memory)
            else None,
        )
    # The shell itself ends when the kernel refuses it a process.
    if probe.execute(container, "sh", "-c", MANY)[0] == 0:
        raise Broken(f"In {container.name} more than 20 processes could be started.")
    return f"{container.name} has limits of memory and of processes, and no 21st process starts."


def clerk(probe: Probe) -> str:
    """The folder is mounted read-only, and nothing else of the learner's is in reach."""
    container = probe.running(probe["CLERK"])
    probe.must_be_from(container, "busybox")
    code, text = probe.execute(container, "cat", "/papers/page.txt")
    if code or probe["TOKEN"] not in text:
        raise NotYet(f"{container.name} has no /papers/page.txt with the right words.")
    if not probe.shows(container, "/papers", probe.attempt.work / "papers"):
        mounted = any(each["Destination"] == "/papers" for each in container.attrs["Mounts"])
        raise NotYet(
            f"/papers in {container.name} is a copy: a file that is new in papers is not there.",
            mistake=None if mounted else "copied-not-mounted",
        )
    if path := _secret_in(probe, container):
        raise NotYet(
            f"{container.name} can read {path}, and that is secret.txt.",
            mistake="mount-too-large" if path.endswith("/secret.txt") else None,
        )
    if path := _socket_in(probe, container):
        raise NotYet(
            f"{container.name} can talk to the daemon at {path}.", mistake="given-the-socket"
        )
    if probe.execute(container, "sh", "-c", "true >> /papers/page.txt")[0] == 0:
        raise NotYet(
            f"{container.name} could change what is in papers.", mistake="mount-can-be-written"
        )
    remount = "mount -o remount,bind,rw /papers && true >> /papers/page.txt"
    if probe.execute(container, "unshare", "-m", "sh", "-c", remount, user="0")[0] == 0:
        raise NotYet(
            f"{container.name} could mount /papers again, and then change what is in papers.",
            mistake="privileged-undoes-it" if container.attrs["HostConfig"]["Privileged"] else None,
        )
    return f"{container.name} can read papers, cannot change it, and sees nothing else of yours."


def _secret_in(probe: Probe, container: Container) -> str | None:
    """A path at which a container can read secret.txt, or None."""
    secret = (probe.attempt.work / "secret.txt").resolve()
    apart = ["/"]
    for mount in container.attrs["Mounts"]:
        inside, source = PurePosixPath(mount["Destination"]), Path(mount["Source"]).resolve()
        if not secret.is_relative_to(source):
            apart.append(str(inside))
            continue
        # Not searched: it may be the whole file system of this computer.
        path = str(inside / secret.relative_to(source)) if secret != source else str(inside)
        if probe["SECRET"] in probe.execute(container, "cat", path, user="0")[1]:
            return path
    search = ("find", *apart, "-xdev", "-type", "f", "-size", "-4")
    _, found = probe.execute(
        container,
        *("timeout", "3", *search, "-exec", "grep", "-l", "-F", probe["SECRET"], "{}", "+"),
        user="0",
    )
    return next(iter(found.splitlines()), None)


def _socket_in(probe: Probe, container: Container) -> str | None:
    """The path at which a container reaches a Docker daemon's socket, or None."""
    for mount in container.attrs["Mounts"]:
        inside = mount["Destination"]
        search = ("find", inside, "-xdev", "-maxdepth", "2", "-type", "s")
        _, found = probe.execute(container, *search, user="0")
        for path in found.splitlines():
            if path.endswith("docker.sock") or mount["Source"].endswith("docker.sock"):
                return path
    return None


def _status(probe: Probe, container: Container) -> dict[str, str]:
    """The status of a container's first process (proc_pid_status(5))."""
    code, text = probe.execute(container, "cat", "/proc/1/status")
    if code:
        raise Broken(f"{container.name} does not show its first process.")
    return dict(re.findall(r"^(\w+):\s*(\S+)", text, re.MULTILINE))
