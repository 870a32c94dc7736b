"""Lab 01: what Docker is."""

from __future__ import annotations

from docker.models.containers import Container

from dockyard.labs.inspection import name_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

INSIDE = 8000


def ask(probe: Probe) -> str:
    """The log says which Python it is."""
    container = probe.container(probe["ASK"])
    said = probe.log(container)
    if "Python 3." not in said and "3.1" not in said:
        raise NotYet(f"The log of {container.name} says {brief(said)!r}.")
    if container.attrs["Image"] != probe.image_id("python:3.11-slim"):
        raise NotYet(f"{container.name} was made from another image than python:3.11-slim.")
    return f"{container.name} has told which Python it has, and its log keeps it."


def twins(probe: Probe) -> str:
    """Two containers of one image are running."""
    busybox = probe.image("busybox:latest").id
    for container in (probe.running(f"{probe['BOX']}-1"), probe.running(f"{probe['BOX']}-2")):
        if container.attrs["Image"] != busybox:
            raise NotYet(f"{container.name} was made from another image than busybox.")
    return f"{probe['BOX']}-1 and {probe['BOX']}-2 run, and both stand on one image."


def kernel(probe: Probe) -> str:
    """The file holds the kernel version of the daemon's computer."""
    written = probe.file("kernel.txt").strip()
    if written != probe.daemon.info()["KernelVersion"]:
        raise NotYet(f"kernel.txt says {brief(written)!r}; no container here sees that kernel.")
    return "kernel.txt has it: it is the kernel of the computer on which the daemon runs."


def tested(probe: Probe) -> str:
    """The tests ran in the image, failed, and left their report."""
    image, name = probe.image(f"{probe['APP']}:1"), probe["TEST"]
    container = probe.kept(name)
    if container.attrs["Image"] != image.id:
        raise NotYet(f"{name} was not made from the image that is called {probe['APP']}:1 now.")
    if container.status != "exited":
        raise NotYet(f"{name} is {container.status}; it has not ended.")
    code, said = container.attrs["State"]["ExitCode"], probe.log(container)
    if code == 0 or "FAILED" not in said:
        raise NotYet(f"{name} has ended with exit code {code}; it reports no failed test.")
    return f"{name} has run the tests of {probe['APP']}:1: one failed, exit code {code}."


def repaired(probe: Probe) -> str:
    """The tests are the same, and pass; the old image is still the old one."""
    old, new = f"{probe['APP']}:1", f"{probe['APP']}:2"
    probe.image(new), probe.image(old)
    test, program = (probe.read_image(new, f"/app/{name}") for name in ("test_app.py", "app.py"))
    if program is None or test is None:
        raise Broken(f"{new} has no /app/{'app.py' if program is None else 'test_app.py'}.")
    if program == probe.read_image(old, "/app/app.py"):
        changed_test = test != probe.read_image(old, "/app/test_app.py")
        raise NotYet(
            f"The program in {new} is the same as in {old}.",
            mistake="changed-the-test" if changed_test else "image-is-a-snapshot",
        )
    if test != probe.read_image(old, "/app/test_app.py"):
        raise NotYet(f"The tests in {new} are not those of {old}.", mistake="changed-the-test")
    code, said = probe.run(new, "python", "-m", "unittest")
    if code:
        raise NotYet(f"The tests fail in {new}: {brief(said.strip().splitlines()[-1])}.")
    return f"The tests pass in {new}; {old} is as it was."


def served(probe: Probe) -> str:
    """The repaired shop answers."""
    container = probe.container(probe["APP"])
    _is_the_new_version(probe, container)
    probe.running(name_of(container))
    _opens(probe, container, int(probe["PORT"]))
    return f"{container.name} answers at port {probe['PORT']}: {_sells(probe, probe['PORT'])}."


def replicas(probe: Probe) -> str:
    """Three containers answer, each at its own port and with its own name."""
    for letter in "abc":
        container = probe.container(f"{probe['APP']}-{letter}")
        _is_the_new_version(probe, container)
        if container.status == "created" and "port" in container.attrs["State"]["Error"]:
            raise NotYet(
                f"{container.name} was made and could not start: its port was taken.",
                mistake="one-port-for-two",
            )
        probe.running(name_of(container))
        _opens(probe, container)
        port = probe.published(container, INSIDE)[0]
        _, text = probe.get(port, "/4")
        if f"says {container.name}\n" not in text:
            raise NotYet(f"At the port of {container.name} one hears {brief(text)!r}.")
    return f"{probe['APP']}-a, {probe['APP']}-b and {probe['APP']}-c answer, each at its own port."


def moved(probe: Probe) -> str:
    """The same image runs on the second engine and is reached from here."""
    name = f"{probe['APP']}:2"
    layers = probe.layers(name)
    boat = probe.boat(probe["FAR"])
    there = probe.inspected(boat, "image", name)
    if there is None:
        raise NotYet(f"The daemon on {boat.name} has no image {name}.")
    if there["RootFS"].get("Layers") != layers:
        raise NotYet(f"{name} on {boat.name} is another image than {name} here.")
    far = probe.running_there(boat, probe["FAR"])
    inner = far["NetworkSettings"]["Ports"].get(f"{INSIDE}/tcp")
    outer = any(int(probe["FARPORT"]) in _ports(ports) for ports in _bindings(boat))
    if not (inner and outer):
        closed = far["Name"].strip("/") if not inner else boat.name
        raise NotYet(
            f"{probe['FAR']} runs on {boat.name}, but {closed} opens no port for it.",
            mistake="one-door-of-two",
        )
    return f"{probe['FAR']} on {boat.name} answers: {_sells(probe, probe['FARPORT'])}."


def _is_the_new_version(probe: Probe, container: Container) -> None:
    new, old = (probe.image(f"{probe['APP']}:{tag}").id for tag in "21")
    if container.attrs["Image"] != new:
        is_old = container.attrs["Image"] == old
        raise NotYet(
            f"{container.name} was made from {container.attrs['Config']['Image']}.",
            mistake="old-version-runs" if is_old else None,
        )


def _opens(probe: Probe, container: Container, port: int | None = None) -> None:
    found = probe.published(container, INSIDE)
    if port in found or (found and port is None):
        return
    elsewhere = any(container.attrs["NetworkSettings"]["Ports"].values())
    raise NotYet(
        f"{container.name} runs, but its port {INSIDE} is not published"
        + (f" at port {port}." if port else "."),
        mistake="port-where-nobody-listens" if elsewhere and not found else None,
    )


def _sells(probe: Probe, port: str) -> str:
    _, text = probe.get(port, "/4")
    wanted = f"4 apples cost 12 at {probe['TOKEN']}"
    if wanted not in text:
        raise NotYet(f"At port {port} one hears {brief(text)!r}.")
    return wanted


def _bindings(container: Container) -> list[list[dict]]:
    return [each for each in container.attrs["NetworkSettings"]["Ports"].values() if each]


def _ports(bindings: list[dict]) -> list[int]:
    return [int(binding["HostPort"]) for binding in bindings]
