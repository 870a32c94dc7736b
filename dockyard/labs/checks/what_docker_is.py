"""Lab 01: what Docker is."""

from __future__ import annotations

from docker.models.containers import Container

from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

INSIDE = 8000
PROGRAM, TEST = "/app/app.py", "/app/test_app.py"


def ask(probe: Probe) -> str:
    """The log says which Python it is."""
    container = probe.kept(probe["ASK"])
    probe.must_be_from(container, "python:3.13-slim")
    said = probe.log(probe.started(probe["ASK"]))
    if "3.13" not in said:
        raise NotYet(f"The log of {container.name} says {brief(said)!r}.")
    return f"{container.name} has printed which Python it has, and its log keeps it."


def twins(probe: Probe) -> str:
    """Two containers of one image are running."""
    for container in (probe.running(f"{probe['BOX']}-1"), probe.running(f"{probe['BOX']}-2")):
        probe.must_be_from(container, "busybox:latest")
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
    probe.must_not_be_an_argument(name)
    container = probe.kept(name)
    if container.attrs["Image"] != image.id:
        raise NotYet(f"{name} was not made from the image that is called {probe['APP']}:1 now.")
    probe.ended(name)
    code, said = container.attrs["State"]["ExitCode"], probe.log(container)
    if code == 0 or "FAILED" not in said:
        raise NotYet(f"{name} has ended with exit code {code}; it reports no failed test.")
    return f"{name} has run the tests of {probe['APP']}:1: one failed, exit code {code}."


def repaired(probe: Probe) -> str:
    """The tests are the same, and pass; the old image is still the old one."""
    old, new = f"{probe['APP']}:1", f"{probe['APP']}:2"
    probe.image(new), probe.image(old)
    test, program = (probe.read_image(new, path) for path in (TEST, PROGRAM))
    if program is None or test is None:
        raise Broken(f"{new} has no {PROGRAM if program is None else TEST}.")
    old_test, old_program = (probe.read_image(old, path) for path in (TEST, PROGRAM))
    if probe.image(new).id == probe.image(old).id and "+ 3" not in (old_program or ""):
        raise NotYet(f"{old} is no longer the image in which the tests fail.")
    if program == old_program:
        raise NotYet(
            f"The program in {new} is the same as in {old}.",
            mistake=_why_the_same(probe, program, test != old_test),
        )
    if test != old_test:
        raise NotYet(f"The tests in {new} are not those of {old}.", mistake="changed-the-test")
    code, said = probe.run(new, "python", "-m", "unittest")
    if code:
        last = (said.strip().splitlines() or ["no word"])[-1]
        raise NotYet(f"The tests fail in {new}: {brief(last)}.")
    return f"The tests pass in {new}; {old} is as it was."


def _why_the_same(probe: Probe, program: str, changed_test: bool) -> str | None:
    """The mistake behind an image with the old program, if it is proved."""
    if changed_test:
        return "changed-the-test"
    try:
        return "image-is-a-snapshot" if probe.file("app/app.py") != program else None
    except NotYet:
        return None


def served(probe: Probe) -> str:
    """The repaired shop answers."""
    name, port = probe["APP"], probe["PORT"]
    container = probe.serving(name, port, INSIDE)
    _is_the_new_version(probe, container)
    _, text = probe.reach(container, port, INSIDE, "/4")
    wanted = f"4 apples cost 12 at {probe['TOKEN']}"
    if wanted not in text:
        raise NotYet(f"At port {port} one hears {brief(text)!r}.")
    return f"{name} answers at port {port}: {wanted}."


def replicas(probe: Probe) -> str:
    """Three containers answer, each at its own port and with its own name."""
    for letter in "abc":
        name = f"{probe['APP']}-{letter}"
        _is_the_new_version(probe, probe.container(name))
        try:
            container = probe.running(name)
        except NotYet as found:
            taken = found.saw.endswith("its port is taken.")
            raise NotYet(
                found.saw, mistake="one-port-for-two" if taken else found.mistake
            ) from None
        doors = probe.doors(container)
        if not doors:
            raise NotYet(f"{name} runs, but its port {INSIDE} is not published.")
        port = (doors.get(INSIDE) or next(iter(doors.values())))[0]
        _, text = probe.reach(container, port, INSIDE, "/4")
        if f"says {name}\n" not in text:
            raise NotYet(f"At the port of {name} one hears {brief(text)!r}.")
    return f"{probe['APP']}-a, {probe['APP']}-b and {probe['APP']}-c answer, each at its own port."


def inside(probe: Probe) -> str:
    """The file names what the image has, and nothing that is in the folder only."""
    image = f"{probe['APP']}:2"
    probe.image(image)
    words = probe.file("inside.txt").replace("/", " ").split()
    code, listed = probe.run(image, entrypoint=["ls", "/app"])
    if code:
        raise Broken(f"{image} has no folder /app.")
    files = [name for name in listed.split() if name != "__pycache__"]
    folder = probe.attempt.work / "app"
    ours = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in ours:
        if name in words and name not in listed.split():
            raise NotYet(f"inside.txt names {name}, which is in your folder and not in the image.")
    if missing := [name for name in files if name not in words]:
        raise NotYet(f"inside.txt does not name {missing[0]}.")
    return f"inside.txt has the {len(files)} files that {image} brings in /app."


def _is_the_new_version(probe: Probe, container: Container) -> None:
    new, old = (f"{probe['APP']}:{tag}" for tag in "21")
    if not probe.made_from(container, new):
        is_old = container.attrs["Image"] == probe.image(old).id
        raise NotYet(
            f"{container.name} was made from {container.attrs['Config']['Image']}.",
            mistake="old-version-runs" if is_old else None,
        )
