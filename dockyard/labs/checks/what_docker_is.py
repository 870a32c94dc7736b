"""Lab 01: what Docker is."""

from __future__ import annotations

from docker.models.containers import Container

from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet
from dockyard.labs.wire import brief

INSIDE = 8000


def ask(look: Look) -> str:
    """The log says which Python it is."""
    container = look.container(look["ASK"])
    said = container.logs().decode(errors="replace")
    if "Python 3." not in said and "3.1" not in said:
        raise NotYet(f"The log of {container.name} says {brief(said)!r}.")
    if container.image.id != look.image("python:3.11-slim").id:
        raise NotYet(f"{container.name} was made from another image than python:3.11-slim.")
    return f"{container.name} has told which Python it has, and its log keeps it."


def twins(look: Look) -> str:
    """Two containers run, and stand on one image."""
    busybox = look.image("busybox:latest").id
    for container in (look.running(f"{look['BOX']}-1"), look.running(f"{look['BOX']}-2")):
        if container.attrs["Image"] != busybox:
            raise NotYet(f"{container.name} was made from another image than busybox.")
    return f"{look['BOX']}-1 and {look['BOX']}-2 run, and both stand on one image."


def kernel(look: Look) -> str:
    """The kernel is the daemon's computer's."""
    written = look.file("kernel.txt").strip()
    if written != look.daemon.info()["KernelVersion"]:
        raise NotYet(f"kernel.txt says {brief(written)!r}; no container here sees that kernel.")
    return "kernel.txt has it: it is the kernel of the computer on which the daemon runs."


def tested(look: Look) -> str:
    """The tests ran in the image, failed, and left their report."""
    image, name = look.image(f"{look['APP']}:1"), look["TEST"]
    container = look.kept(name)
    if container.attrs["Image"] != image.id:
        raise NotYet(f"{name} was not made from the image that is called {look['APP']}:1 now.")
    if container.status != "exited":
        raise NotYet(f"{name} is {container.status}; it has not ended.")
    code, said = container.attrs["State"]["ExitCode"], container.logs().decode(errors="replace")
    if code == 0 or "FAILED" not in said:
        raise NotYet(f"{name} has ended with exit code {code}; it reports no failed test.")
    return f"{name} has run the tests of {look['APP']}:1: one failed, exit code {code}."


def repaired(look: Look) -> str:
    """The tests are the same, and pass; the old image is still the old one."""
    old, new = f"{look['APP']}:1", f"{look['APP']}:2"
    look.image(new), look.image(old)
    test, program = (look.read_image(new, f"/app/{name}") for name in ("test_app.py", "app.py"))
    if program is None or test is None:
        raise Broken(f"{new} has no /app/{'app.py' if program is None else 'test_app.py'}.")
    if program == look.read_image(old, "/app/app.py"):
        changed_test = test != look.read_image(old, "/app/test_app.py")
        raise NotYet(
            f"The program in {new} is the same as in {old}.",
            mistake="changed-the-test" if changed_test else "image-is-a-snapshot",
        )
    if test != look.read_image(old, "/app/test_app.py"):
        raise NotYet(f"The tests in {new} are not those of {old}.", mistake="changed-the-test")
    code, said = look.run(new, "python", "-m", "unittest")
    if code:
        raise NotYet(f"The tests fail in {new}: {brief(said.strip().splitlines()[-1])}.")
    return f"The tests pass in {new}; {old} is as it was."


def served(look: Look) -> str:
    """The repaired shop answers."""
    container = look.container(look["APP"])
    _is_the_new_version(look, container)
    look.running(container.name)
    _opens(look, container, int(look["PORT"]))
    return f"{container.name} answers at port {look['PORT']}: {_sells(look, look['PORT'])}."


def replicas(look: Look) -> str:
    """Three of them, each at a port of its own, each knowing its name."""
    for letter in "abc":
        container = look.container(f"{look['APP']}-{letter}")
        _is_the_new_version(look, container)
        if container.status == "created" and "port" in container.attrs["State"]["Error"]:
            raise NotYet(
                f"{container.name} was made and could not start: its port was taken.",
                mistake="one-port-for-two",
            )
        look.running(container.name)
        _opens(look, container)
        port = look.published(container, INSIDE)[0]
        _, text = look.get(port, "/4")
        if f"says {container.name}\n" not in text:
            raise NotYet(f"At the port of {container.name} one hears {brief(text)!r}.")
    return f"{look['APP']}-a, {look['APP']}-b and {look['APP']}-c answer, each at its own port."


def moved(look: Look) -> str:
    """The same image runs on the second engine and is reached from here."""
    name = f"{look['APP']}:2"
    layers = look.layers(name)
    boat = look.boat(look["FAR"])
    there = look.inspected(boat, "image", name)
    if there is None:
        raise NotYet(f"The daemon on {boat.name} has no image {name}.")
    if there["RootFS"].get("Layers") != layers:
        raise NotYet(f"{name} on {boat.name} is another image than {name} here.")
    far = look.there(boat, look["FAR"])
    if far["State"]["Status"] != "running":
        raise NotYet(f"{look['FAR']} on {boat.name} is {far['State']['Status']}.")
    inner = far["NetworkSettings"]["Ports"].get(f"{INSIDE}/tcp")
    outer = any(int(look["FARPORT"]) in _ports(ports) for ports in _bindings(boat))
    if not (inner and outer):
        closed = far["Name"].strip("/") if not inner else boat.name
        raise NotYet(
            f"{look['FAR']} runs on {boat.name}, but {closed} opens no port for it.",
            mistake="one-door-of-two",
        )
    return f"{look['FAR']} on {boat.name} answers: {_sells(look, look['FARPORT'])}."


def _is_the_new_version(look: Look, container: Container) -> None:
    new, old = (look.image(f"{look['APP']}:{tag}").id for tag in "21")
    if container.attrs["Image"] != new:
        is_old = container.attrs["Image"] == old
        raise NotYet(
            f"{container.name} was made from {container.attrs['Config']['Image']}.",
            mistake="old-version-runs" if is_old else None,
        )


def _opens(look: Look, container: Container, port: int | None = None) -> None:
    found = look.published(container, INSIDE)
    if port in found or (found and port is None):
        return
    elsewhere = any(container.attrs["NetworkSettings"]["Ports"].values())
    raise NotYet(
        f"{container.name} runs, but its port {INSIDE} is not published"
        + (f" at port {port}." if port else "."),
        mistake="port-where-nobody-listens" if elsewhere and not found else None,
    )


def _sells(look: Look, port: str) -> str:
    _, text = look.get(port, "/4")
    wanted = f"4 apples cost 12 at {look['TOKEN']}"
    if wanted not in text:
        raise NotYet(f"At port {port} one hears {brief(text)!r}.")
    return wanted


def _bindings(container: Container) -> list[list[dict]]:
    return [each for each in container.attrs["NetworkSettings"]["Ports"].values() if each]


def _ports(bindings: list[dict]) -> list[int]:
    return [int(binding["HostPort"]) for binding in bindings]
