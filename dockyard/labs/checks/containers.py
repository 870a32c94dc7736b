"""Lab 03: containers."""

from __future__ import annotations

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet


def stays(probe: Probe) -> str:
    """A container is there and not stopped."""
    box = probe.container(probe["BOX"])
    if box.status not in ("running", "paused"):
        probe.running(probe["BOX"])
    return f"{box.name} is {box.status}."


def paused(probe: Probe) -> str:
    """It is paused."""
    box = probe.container(probe["BOX"])
    if box.status != "paused":
        raise NotYet(f"{box.name} is {box.status}, not paused.")
    return f"{box.name} is paused: its processes are there and get no time."


def stopped(probe: Probe) -> str:
    """It has been stopped and is still listed."""
    box = probe.container(probe["BOX"])
    if box.status != "exited":
        raise NotYet(f"{box.name} is {box.status}.")
    return f"{box.name} has ended with exit code {box.attrs['State']['ExitCode']} and is kept."


def web(probe: Probe) -> str:
    """The server answers at its port, and the daemon will start it again."""
    name, port = probe["WEB"], int(probe["PORT"])
    container = probe.container(name)
    bindings = container.attrs["HostConfig"]["PortBindings"] or {}
    command = container.attrs["Config"]["Cmd"] or []
    if any(word.startswith("--publish") or word == "-p" for word in command):
        raise NotYet(
            f"{name} was told to run the command {' '.join(command)!r}.",
            mistake="name-after-the-image",
        )
    if f"{port}/tcp" in bindings:
        raise NotYet(f"{name} publishes port {port} of the container.", mistake="port-reversed")
    probe.running(name)
    probe.must_publish(container, 80, port, mistake=None if bindings else "port-not-published")
    status, _ = probe.get(port)
    policy = container.attrs["HostConfig"]["RestartPolicy"]["Name"]
    if policy not in ("always", "unless-stopped"):
        raise NotYet(
            f"{name} answers at port {port}, but its restart policy is {policy or 'no'!r}.",
            expected="a policy with which the daemon starts it again after its own restart.",
        )
    return f"{name} answers at port {port} (status {status}); its restart policy is {policy}."


def page(probe: Probe) -> str:
    """The page holds the token."""
    container = probe.running(probe["WEB"])
    _, text = probe.get(probe["PORT"])
    if probe["TOKEN"] not in text:
        raise NotYet(f"The page of {container.name} says {text.strip()[:60]!r}.")
    return f"The page of {container.name} says {probe['TOKEN']}."


def job(probe: Probe) -> str:
    """The job has ended with exit code 3, and its output can be read."""
    name = probe["JOB"]
    container = probe.kept(name)
    if container.status in ("created", "running"):
        raise NotYet(f"{name} is {container.status}; it has not ended.")
    code = container.attrs["State"]["ExitCode"]
    written = probe.log(container)
    if code != 3:
        background = "&" in " ".join(container.attrs["Config"]["Cmd"] or [])
        raise NotYet(
            f"{name} has ended with exit code {code}.",
            mistake="program-in-the-background" if background and code == 0 else None,
        )
    if probe["TOKEN"] not in written:
        raise Broken(f"{name} wrote {written.strip()[:60]!r}.")
    return f"{name} has ended with exit code 3; its log says {probe['TOKEN']}."


def frozen(probe: Probe) -> str:
    """The image holds the note."""
    wanted, word = f"{probe['BOX']}:1", probe["TOKEN"]
    found = probe.image_names(probe["BOX"])
    if found and wanted not in found:
        raise NotYet(f"There is an image {found[0]}.", mistake="tag-is-not-the-name")
    probe.image(wanted)
    note = probe.read_image(wanted, "/note")
    if note is None:
        raise Broken(f"{wanted} has no file /note.")
    if word not in note:
        raise Broken(f"/note in {wanted} says {note.strip()[:60]!r}.")
    return f"{wanted} holds /note, and it says {word}."
