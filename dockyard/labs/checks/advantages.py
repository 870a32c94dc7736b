"""Lab 12: what containers are good for. The boat, a daemon in a container, is asked through it."""

from __future__ import annotations

from docker.models.containers import Container

from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet
from dockyard.labs.wire import brief

BILLION = 10**9


def which_system(look: Look) -> str:
    """The file names the image's architecture."""
    said = look.file("architecture.txt").strip()
    architecture = look.image(f"{look['CARGO']}:1").attrs["Architecture"]
    if said != architecture:
        raise NotYet(f"architecture.txt says {brief(said)!r}.")
    return f"{look['CARGO']}:1 is made for {architecture}."


def alone(look: Look) -> str:
    """Nobody else is seen from inside."""
    container = look.running(look["ALONE"])
    count = len(container.top()["Processes"])
    if count > 2:
        raise NotYet(f"{count} processes run in {container.name}.")
    return f"{container.name} sees nobody but itself."


def own_name(look: Look) -> str:
    """The host name is the container's own."""
    container = look.running(look["CABIN"])
    _, text = look.execute(container, "hostname")
    if text.strip() != "cabin":
        raise NotYet(f"{container.name} believes that its computer is called {brief(text)}.")
    return f"{container.name} believes that its computer is called cabin."


def moved(look: Look) -> str:
    """The boat has the very same image."""
    reference = f"{look['CARGO']}:1"
    here = look.image(reference).attrs
    there = look.inspected(look.boat(), "image", reference)
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


def twins(look: Look) -> str:
    """Both containers wrote the same."""
    name, image = look["TWIN"], f"{look['CARGO']}:1"
    boat = look.boat()
    there = look.inspected(boat, "container", name)
    try:
        here = look.container(name) if there else look.kept(name)
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
    for where, attributes in (("Here", here.attrs), ("On the boat", there)):
        if attributes["Config"]["Image"] != image:
            raise NotYet(f"{where}, {name} is made from {attributes['Config']['Image']}.")
        if attributes["State"]["Status"] != "exited":
            raise NotYet(f"{where}, {name} is {attributes['State']['Status']}.")
    ours = here.logs().decode(errors="replace")
    _, theirs = look.execute(boat, "docker", "logs", name)
    if look["TOKEN"] not in ours or look["TOKEN"] not in theirs:
        raise Broken(f"{name} wrote {brief(ours)!r} here and {brief(theirs)!r} on the boat.")
    return f"{name} wrote {brief(ours)}, here and on the boat."


def neighbours(look: Look) -> str:
    """Two servers listen on port 80 and answer at two ports."""
    wanted = {look["NORTH"]: int(look["PORT"]), look["SOUTH"]: int(look["SOUTH_PORT"])}
    both = [look.container(name) for name in wanted]
    asked = [_asked(container) for container in both]
    if asked[0] and asked[0] == asked[1]:
        raise NotYet(
            f"{both[0].name} and {both[1].name} both ask for port {asked[0][0]} here.",
            mistake="one-port-for-two",
        )
    for name, port in wanted.items():
        look.must_publish(look.running(name), 80, port)
        look.get(port)
    return f"{' and '.join(wanted)} both have a port 80 of their own, and both answer."


def hungry(look: Look) -> str:
    """The kernel ended it."""
    name = look["HUNGRY"]
    container = look.kept(name)
    state = container.attrs["State"]
    if container.status in ("running", "created"):
        raise NotYet(f"{name} is {container.status}.")
    # Some daemons do not hear of it when the kernel ends a container's only process; then the
    # limit and the signal tell.
    program = " ".join(container.attrs["Config"]["Cmd"] or [])
    limit = container.attrs["HostConfig"]["Memory"]
    if state["OOMKilled"] or (state["ExitCode"] == 137 and limit and "/dev/zero" in program):
        return f"{name} wanted more memory than it had, and was ended by the kernel."
    raise NotYet(
        f"{name} has ended with exit code {state['ExitCode']}, and not for lack of memory.",
        mistake="killed-by-you" if state["ExitCode"] in (137, 143) else None,
    )


def slow(look: Look) -> str:
    """A quarter of a processor, and it is used."""
    container = look.running(look["SLOW"])
    host = container.attrs["HostConfig"]
    share = (host["NanoCpus"] or 0) / BILLION
    if host["CpuQuota"] and host["CpuQuota"] > 0:
        share = host["CpuQuota"] / (host["CpuPeriod"] or 100_000)
    if not 0 < share <= 0.25:
        wish = "shares-are-no-limit" if host["CpuShares"] else None
        pinned = "pinned-is-no-limit" if host["CpusetCpus"] else None
        amount = f"up to {share:g} of a processor" if share else "as much processor as there is"
        raise NotYet(f"{container.name} may use {amount}.", mistake=wish or pinned)
    return f"{container.name} computes, with at most {share:g} of a processor."


def _asked(container: Container) -> list[str]:
    """The ports of this computer that a container asked for, had or not."""
    bindings = (container.attrs["HostConfig"]["PortBindings"] or {}).values()
    return sorted(each["HostPort"] for several in bindings for each in several or [])
