"""Lab 13: advantages. Also asks the daemon in the container ``$BOAT``."""

from __future__ import annotations

from docker.models.containers import Container

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

BILLION = 10**9


def which_system(probe: Probe) -> str:
    """The file names the image's architecture."""
    said = probe.file("architecture.txt").strip()
    architecture = probe.image(f"{probe['CARGO']}:1").attrs["Architecture"]
    if said != architecture:
        raise NotYet(f"architecture.txt says {brief(said)!r}.")
    return f"{probe['CARGO']}:1 is made for {architecture}."


def alone(probe: Probe) -> str:
    """The container sees only its own processes."""
    container = probe.running(probe["ALONE"])
    _, text = probe.execute(container, "ls", "/proc")
    count = sum(each.isdigit() for each in text.split()) - 1
    if count > 2:
        raise NotYet(f"{container.name} sees {count} processes.")
    return f"{container.name} sees no processes but its own."


def own_name(probe: Probe) -> str:
    """The host name is the container's own."""
    container = probe.running(probe["CABIN"])
    _, text = probe.execute(container, "hostname")
    if text.strip() != "cabin":
        raise NotYet(f"{container.name} has the host name {brief(text)}.")
    return f"{container.name} has the host name cabin."


def moved(probe: Probe) -> str:
    """The boat has the very same image."""
    reference = f"{probe['CARGO']}:1"
    here = probe.image(reference).attrs
    there = probe.inspected(probe.boat(), "image", reference)
    if there is None:
        raise NotYet(f"The boat has no image {reference}.")
    if there["RootFS"]["Layers"] != here["RootFS"]["Layers"]:
        flat = len(there["RootFS"]["Layers"]) == 1 and not there["Config"].get("Cmd")
        raise NotYet(
            f"The boat has an image {reference}, but "
            + ("it has a single layer and no command." if flat else "its layers are others."),
            mistake="exported-not-saved" if flat else "made-again-by-hand",
        )
    for what in ("Cmd", "Env", "WorkingDir"):
        if (there["Config"].get(what) or None) != (here["Config"].get(what) or None):
            raise NotYet(f"The boat has an image {reference}, but its {what} is another.")
    return f"The boat has {reference}, layer by layer the same as here."


def twins(probe: Probe) -> str:
    """Both containers wrote the same."""
    name, image = probe["TWIN"], f"{probe['CARGO']}:1"
    boat = probe.boat()
    there = probe.inspected(boat, "container", name)
    try:
        here = probe.container(name) if there else probe.kept(name)
    except NotYet:
        if there is not None:
            raise NotYet(
                f"On the boat there is a container {name}, and here there is none.",
                mistake="one-daemon-of-two",
            ) from None
        raise
    if there is None:
        raise NotYet(
            f"There is a container {name} here, and none on the boat.", mistake="one-daemon-of-two"
        )
    for where, found, image_id in (
        ("Here", here.attrs, probe.image_id(image)),
        ("On the boat", there, (probe.inspected(boat, "image", image) or {}).get("Id")),
    ):
        if found["Image"] != image_id:
            raise NotYet(f"{where}, {name} is made from {found['Config']['Image']}.")
        program = [found["Path"], *found["Args"]]
        if program != (own := probe.settings(image)["Cmd"]):
            raise NotYet(f"{where}, {name} ran {_shown(program)}, not the image's {_shown(own)}.")
        if found["State"]["Status"] != "exited":
            raise NotYet(f"{where}, {name} is {found['State']['Status']}.")
    ours = probe.log(here)
    _, theirs = probe.execute(boat, "docker", "logs", name)
    if probe["TOKEN"] not in ours or ours.split() != theirs.split():
        raise Broken(f"{name} wrote {brief(ours)!r} here and {brief(theirs)!r} on the boat.")
    return f"{name} wrote {brief(ours)}, here and on the boat."


def neighbours(probe: Probe) -> str:
    """Two servers listen on port 80 and answer at two ports."""
    wanted = {probe["NORTH"]: int(probe["PORT"]), probe["SOUTH"]: int(probe["SOUTH_PORT"])}
    both = [probe.container(name) for name in wanted]
    asked = [_asked(container) for container in both]
    if asked[0] and asked[0] == asked[1]:
        raise NotYet(
            f"{both[0].name} and {both[1].name} both ask for port {asked[0][0]} here.",
            mistake="one-port-for-two",
        )
    for name, port in wanted.items():
        container = probe.running(name)
        probe.must_be_from(container, "httpd:2.4")
        probe.must_publish(container, 80, port)
        status, _ = probe.get(port)
        if status != 200:
            raise Broken(f"{name} answers at port {port} with the status {status}.")
    return f"{' and '.join(wanted)} both have a port 80 of their own, and both answer."


def hungry(probe: Probe) -> str:
    """The kernel killed the container for using too much memory."""
    name = probe["HUNGRY"]
    container = probe.kept(name)
    state = container.attrs["State"]
    if container.status in ("running", "created"):
        raise NotYet(f"{name} is {container.status}.")
    if state["OOMKilled"]:
        return f"{name} wanted more memory than its limit, and was OOM-killed by the kernel."
    killed = probe.was_killed(container)
    # Some daemons do not notice when the kernel kills a container's only process. The limit and
    # the signal show it then, if nobody has sent that signal.
    limit = container.attrs["HostConfig"]["Memory"]
    if state["ExitCode"] == 137 and limit and not killed:
        return f"{name} has a limit of {limit >> 20} MiB, and was killed by the kernel."
    raise NotYet(
        f"{name} exited with code {state['ExitCode']}, and its state does not say OOMKilled.",
        mistake="killed-by-you" if killed else None,
    )


def slow(probe: Probe) -> str:
    """The container computes, and is limited to a quarter of a processor."""
    container = probe.running(probe["SLOW"])
    host = container.attrs["HostConfig"]
    share = (host["NanoCpus"] or 0) / BILLION
    if host["CpuQuota"] and host["CpuQuota"] > 0:
        share = host["CpuQuota"] / (host["CpuPeriod"] or 100_000)
    if not 0 < share <= 0.25:
        wish = "shares-are-no-limit" if host["CpuShares"] else None
        pinned = "pinned-is-no-limit" if host["CpusetCpus"] else None
        amount = f"up to {share:g} of a processor" if share else "as much processor as there is"
        raise NotYet(f"{container.name} may use {amount}.", mistake=wish or pinned)
    # Not its processor time alone: on a busy computer a program may get very little.
    states = [_state(probe, container) for _ in range(4)]
    if states.count("R") < 3:
        raise NotYet(f"The program of {container.name} does not compute all the time: it waits.")
    return f"{container.name} computes, with at most {share:g} of a processor."


def _state(probe: Probe, container: Container) -> str:
    """R when a process of a container computes, or waits for a processor only."""
    own, _ = probe.processes(container)
    return "R" if any(each["State"] == "R" for each in own) else own[0]["State"]


def _shown(program: list[str]) -> str:
    return brief(repr(" ".join(program)))


def _asked(container: Container) -> list[str]:
    """The host ports that a container asks for, even if it does not get them."""
    bindings = (container.attrs["HostConfig"]["PortBindings"] or {}).values()
    return sorted(each["HostPort"] for several in bindings for each in several or [])
