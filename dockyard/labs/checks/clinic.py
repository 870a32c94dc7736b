"""Lab 16: the clinic, twelve broken scenes to repair."""

from __future__ import annotations

import stat

from docker.models.containers import Container

from dockyard.labs.inspection import networks_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet


def exits_at_once(probe: Probe) -> str:
    """The server runs and answers."""
    shop = probe.container(probe["SHOP"])
    try:
        probe.running(probe["SHOP"])
        probe.get(probe["SHOP_PORT"])
    except NotYet:
        # A server that exits at once may still have been running when it was inspected.
        shop.reload()
        if shop.status == "exited" and shop.attrs["State"]["ExitCode"] == 0:
            raise Broken(
                f"{shop.name} has ended, content with itself: exit code 0.",
                mistake="program-in-the-background",
            ) from None
        raise
    return f"{shop.name} runs and answers at its port."


def port_taken(probe: Probe) -> str:
    """Both servers can be reached."""
    old, new = probe.container(probe["OLD"]), probe.container(probe["NEW"])
    if old.status != "running" and new.status == "running":
        raise Broken(f"{new.name} runs; {old.name} is {old.status}.", mistake="took-the-port-away")
    for container in (probe.running(probe["OLD"]), probe.running(probe["NEW"])):
        ports = probe.published(container, 80)
        if not ports:
            raise Broken(f"{container.name} runs, and its port 80 is not published.")
        probe.get(ports[0])
    if int(probe["OLD_PORT"]) not in probe.published(old, 80):
        raise Broken(f"{old.name} no longer has port {probe['OLD_PORT']}.")
    return f"{old.name} and {new.name} both answer, each at a port of its own."


def name_in_use(probe: Probe) -> str:
    """A new container has the name, and the old one is kept."""
    name = probe["DESK"]
    before = f"{name}-before"
    try:
        kept = probe.container(before)
    except NotYet as found:
        gone = probe.removed(name)
        raise NotYet(found.saw, mistake="removed-what-was-needed" if gone else None) from None
    if probe["TOKEN"] not in (probe.read(kept, "/notes") or ""):
        raise Broken(f"{before} has no file /notes with {probe['TOKEN']}.")
    desk = probe.running(name)
    if not desk.attrs["Config"]["Image"].startswith("httpd"):
        raise Broken(f"{name} is made from {desk.attrs['Config']['Image']}.")
    return f"{name} is a web server, and {before} still has its notes."


def wrong_processor(probe: Probe) -> str:
    """The tool runs on this processor."""
    image = f"{probe['TOOL']}:1"
    code, said = probe.run(image)
    if code != 0 or "the tool works" not in said:
        raise Broken(f"{image} ends with exit code {code} and says {said.strip()[:80]!r}.")
    return f"{image} says: the tool works."


def disk_full(probe: Probe) -> str:
    """There was room for the file."""
    container = _ended(probe, probe["DISK"])
    code = container.attrs["State"]["ExitCode"]
    if code != 0:
        tmpfs = container.attrs["HostConfig"].get("Tmpfs") or {}
        again = tmpfs.get("/data") == "size=1m"
        raise Broken(
            f"{container.name} has ended with exit code {code}; mounted at /data: "
            f"{'a tmpfs, ' + tmpfs['/data'] if '/data' in tmpfs else 'nothing of that kind'}.",
            mistake="same-container-again" if again and probe.started_again(container) else None,
        )
    if container.attrs["Config"]["Image"] != f"{probe['DISK']}:1":
        raise NotYet(f"{container.name} was made from {container.attrs['Config']['Image']}.")
    return f"{container.name} found room for its file and ended with exit code 0."


def no_permission(probe: Probe) -> str:
    """The note is in the learner's folder, whose permissions did not change."""
    folder = probe.attempt.work / "inbox"
    container = _ended(probe, probe["POST"])
    if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & stat.S_IWOTH:
        raise NotYet(
            "The folder inbox may be written by everybody on this computer.",
            mistake="opened-to-everybody",
        )
    try:
        note = probe.file("inbox/note")
    except NotYet:
        note = ""
    if probe["TOKEN"] not in note:
        code = container.attrs["State"]["ExitCode"]
        raise Broken(
            f"{container.name} has ended with exit code {code}, and inbox/note does not say "
            f"{probe['TOKEN']}."
        )
    if container.attrs["HostConfig"]["Privileged"]:
        raise NotYet(f"{container.name} is privileged, which is far more than it needs.")
    if container.attrs["State"]["ExitCode"] != 0:
        raise Broken(f"{container.name} has ended with an error all the same.")
    return "inbox/note is written, and the folder is as closed as before."


def loopback(probe: Probe) -> str:
    """The server can be reached from outside."""
    api = probe.running(probe["API"])
    try:
        status, _ = probe.get(probe["API_PORT"])
    except Broken as found:
        mistake = "listens-on-its-loopback" if _answers_inside(api, probe) else None
        raise Broken(found.saw, mistake=mistake) from None
    return f"{api.name} answers at port {probe['API_PORT']} (status {status})."


def _answers_inside(api: Container, probe: Probe) -> bool:
    """Whether the server answers inside its own container."""
    program = "import socket; socket.create_connection(('127.0.0.1', 8000), 2)"
    return probe.execute(api, "python", "-c", program)[0] == 0


def no_names(probe: Probe) -> str:
    """The server is found by its name."""
    cat, dog = probe.running(probe["CAT"]), probe.running(probe["DOG"])
    if not probe.resolves(cat, probe["DOG"]):
        networks = [networks_of(each) for each in (cat, dog)]
        own = {*networks[0], *networks[1]} - {"bridge"}
        raise Broken(
            f"Inside {cat.name} nobody knows the name {dog.name}. "
            f"{cat.name} is on {_listed(networks[0])}, {dog.name} on {_listed(networks[1])}.",
            mistake="one-of-two-connected" if own and networks[0] != networks[1] else None,
        )
    return f"Inside {cat.name} the name {dog.name} leads to the web server."


def stale(probe: Probe) -> str:
    """The container was made from the newest image."""
    name = probe["PAGE"]
    page = probe.running(name)
    _, text = probe.get(probe["PAGE_PORT"])
    if "the new page" not in text:
        old = page.attrs["Image"] != probe.image(f"{name}:latest").id
        raise Broken(
            f"{name} says {text.strip()[:40]!r}"
            + (f", and its image is no longer what {name}:latest stands for." if old else "."),
            mistake="restart-keeps-the-image" if old and probe.started_again(page) else None,
        )
    return f"{name} answers with the new page."


def not_in_the_context(probe: Probe) -> str:
    """The image holds the file."""
    image = f"{probe['PACK']}:1"
    config = probe.read_image(image, "/etc/app.conf")
    if config is None:
        raise Broken(f"{image} has no file /etc/app.conf.", mistake="left-the-file-out")
    if probe["TOKEN"] not in config:
        raise Broken(f"/etc/app.conf in {image} says {config.strip()[:60]!r}.")
    return f"{image} holds /etc/app.conf with the greeting {probe['TOKEN']}."


def setting_missing(probe: Probe) -> str:
    """The program has its setting and runs."""
    mail = probe.container(probe["MAIL"])
    given = probe.variables(mail)
    if mail.status != "running":
        retried = mail.attrs["Config"]["Tty"] is False and not mail.attrs["Config"]["AttachStdout"]
        raise Broken(
            f"{mail.name} is {mail.status}; its log says {_last_line(probe, mail)!r}.",
            mistake="set-outside-only" if "GREETING" not in given and retried else None,
        )
    if not probe.logged(mail, probe["TOKEN"]):
        raise Broken(f"{mail.name} runs; its log says {_last_line(probe, mail)!r}.")
    return f"{mail.name} runs, and its log says {probe['TOKEN']}."


def killed(probe: Probe) -> str:
    """The program had the memory that it needs, and a limit."""
    heap = _ended(probe, probe["HEAP"])
    limit = heap.attrs["HostConfig"]["Memory"]
    code = heap.attrs["State"]["ExitCode"]
    if code != 0:
        raise Broken(f"{heap.name} has ended with exit code {code}; its limit: {limit >> 20} MiB.")
    if limit == 0:
        raise NotYet(f"{heap.name} has no limit at all.", mistake="limit-taken-away")
    if limit > 1 << 30:
        raise NotYet(f"The limit of {heap.name} is {limit >> 20} MiB.")
    return f"{heap.name} has ended with exit code 0 within its {limit >> 20} MiB."


def _ended(probe: Probe, name: str) -> Container:
    container = probe.container(name)
    if container.status != "exited":
        raise NotYet(f"{name} is {container.status}; it has not ended.")
    return container


def _last_line(probe: Probe, container: Container) -> str:
    lines = probe.log(container, tail=1).strip().splitlines()
    return lines[-1][:80] if lines else ""


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "no network"
