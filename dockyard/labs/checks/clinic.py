"""Lab 15: the clinic, twelve broken scenes."""

from __future__ import annotations

import stat

from docker.models.containers import Container

from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken, NotYet


def exits_at_once(look: Look) -> str:
    """The server runs and answers."""
    shop = look.container(look["SHOP"])
    try:
        look.running(shop.name)
        look.get(look["SHOP_PORT"])
    except NotYet:
        # One that ends at once may still have been running when it was first looked at.
        shop.reload()
        if shop.status == "exited" and shop.attrs["State"]["ExitCode"] == 0:
            raise Broken(
                f"{shop.name} has ended, content with itself: exit code 0.",
                mistake="program-in-the-background",
            ) from None
        raise
    return f"{shop.name} runs and answers at its port."


def port_taken(look: Look) -> str:
    """Both servers can be reached."""
    old, new = look.container(look["OLD"]), look.container(look["NEW"])
    if old.status != "running" and new.status == "running":
        raise Broken(f"{new.name} runs; {old.name} is {old.status}.", mistake="took-the-port-away")
    for container in (look.running(old.name), look.running(new.name)):
        ports = look.published(container, 80)
        if not ports:
            raise Broken(f"{container.name} runs, and its port 80 is not published.")
        look.get(ports[0])
    if int(look["OLD_PORT"]) not in look.published(old, 80):
        raise Broken(f"{old.name} no longer has port {look['OLD_PORT']}.")
    return f"{old.name} and {new.name} both answer, each at a port of its own."


def name_in_use(look: Look) -> str:
    """The name has a new owner, and the old container is kept."""
    name = look["DESK"]
    before = f"{name}-before"
    try:
        kept = look.container(before)
    except NotYet as found:
        gone = look.removed(name)
        raise NotYet(found.saw, mistake="removed-what-was-needed" if gone else None) from None
    if look["TOKEN"] not in (look.read(kept, "/notes") or ""):
        raise Broken(f"{before} has no file /notes with {look['TOKEN']}.")
    desk = look.running(name)
    if not desk.attrs["Config"]["Image"].startswith("httpd"):
        raise Broken(f"{name} is made from {desk.attrs['Config']['Image']}.")
    return f"{name} is a web server, and {before} still has its notes."


def wrong_processor(look: Look) -> str:
    """The tool runs on this processor."""
    image = f"{look['TOOL']}:1"
    code, said = look.run(image)
    if code != 0 or "the tool works" not in said:
        raise Broken(f"{image} ends with exit code {code} and says {said.strip()[:80]!r}.")
    return f"{image} says: the tool works."


def disk_full(look: Look) -> str:
    """There was room for the file."""
    container = _ended(look, look["DISK"])
    code = container.attrs["State"]["ExitCode"]
    if code != 0:
        tmpfs = container.attrs["HostConfig"].get("Tmpfs") or {}
        again = tmpfs.get("/data") == "size=1m"
        raise Broken(
            f"{container.name} has ended with exit code {code}; mounted at /data: "
            f"{'a tmpfs, ' + tmpfs['/data'] if '/data' in tmpfs else 'nothing of that kind'}.",
            mistake="same-container-again" if again and look.started_again(container) else None,
        )
    if container.attrs["Config"]["Image"] != f"{look['DISK']}:1":
        raise NotYet(f"{container.name} was made from {container.attrs['Config']['Image']}.")
    return f"{container.name} found room for its file and ended with exit code 0."


def no_permission(look: Look) -> str:
    """The note lies in the learner's folder."""
    folder = look.attempt.work / "inbox"
    container = _ended(look, look["POST"])
    if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & stat.S_IWOTH:
        raise NotYet(
            "The folder inbox may be written by everybody on this computer.",
            mistake="opened-to-everybody",
        )
    note = folder / "note"
    if not note.exists() or look["TOKEN"] not in note.read_text():
        code = container.attrs["State"]["ExitCode"]
        raise Broken(
            f"{container.name} has ended with exit code {code}, and inbox/note does not say "
            f"{look['TOKEN']}."
        )
    if container.attrs["HostConfig"]["Privileged"]:
        raise NotYet(f"{container.name} is privileged, which is far more than it needs.")
    if container.attrs["State"]["ExitCode"] != 0:
        raise Broken(f"{container.name} has ended with an error all the same.")
    return "inbox/note is written, and the folder is as closed as before."


def loopback(look: Look) -> str:
    """The server can be reached from outside."""
    api = look.running(look["API"])
    try:
        status, _ = look.get(look["API_PORT"])
    except Broken as found:
        mistake = "listens-on-its-loopback" if _answers_inside(api, look) else None
        raise Broken(found.saw, mistake=mistake) from None
    return f"{api.name} answers at port {look['API_PORT']} (status {status})."


def _answers_inside(api: Container, look: Look) -> bool:
    """Whether the server answers inside its own container."""
    program = "import socket; socket.create_connection(('127.0.0.1', 8000), 2)"
    return look.execute(api, "python", "-c", program)[0] == 0


def no_names(look: Look) -> str:
    """The name leads to the server."""
    cat, dog = look.running(look["CAT"]), look.running(look["DOG"])
    if not look.resolves(cat, dog.name):
        networks = [set(each.attrs["NetworkSettings"]["Networks"]) for each in (cat, dog)]
        own = (networks[0] | networks[1]) - {"bridge"}
        raise Broken(
            f"Inside {cat.name} nobody knows the name {dog.name}. "
            f"{cat.name} is on {_listed(networks[0])}, {dog.name} on {_listed(networks[1])}.",
            mistake="one-of-two-connected" if own and networks[0] != networks[1] else None,
        )
    return f"Inside {cat.name} the name {dog.name} leads to the web server."


def stale(look: Look) -> str:
    """The container is of the newest image."""
    name = look["PAGE"]
    page = look.running(name)
    _, text = look.get(look["PAGE_PORT"])
    if "the new page" not in text:
        old = page.attrs["Image"] != look.image(f"{name}:latest").id
        raise Broken(
            f"{name} says {text.strip()[:40]!r}"
            + (f", and its image is no longer what {name}:latest stands for." if old else "."),
            mistake="restart-keeps-the-image" if old and look.started_again(page) else None,
        )
    return f"{name} answers with the new page."


def not_in_the_context(look: Look) -> str:
    """The image holds the file."""
    image = f"{look['PACK']}:1"
    config = look.read_image(image, "/etc/app.conf")
    if config is None:
        raise Broken(f"{image} has no file /etc/app.conf.", mistake="left-the-file-out")
    if look["TOKEN"] not in config:
        raise Broken(f"/etc/app.conf in {image} says {config.strip()[:60]!r}.")
    return f"{image} holds /etc/app.conf with the greeting {look['TOKEN']}."


def setting_missing(look: Look) -> str:
    """The program has its setting and runs."""
    mail = look.container(look["MAIL"])
    given = dict(each.partition("=")[::2] for each in mail.attrs["Config"]["Env"] or [])
    if mail.status != "running":
        retried = mail.attrs["Config"]["Tty"] is False and not mail.attrs["Config"]["AttachStdout"]
        raise Broken(
            f"{mail.name} is {mail.status}; its log says {_last_line(mail)!r}.",
            mistake="set-outside-only" if "GREETING" not in given and retried else None,
        )
    if not look.logged(mail, look["TOKEN"]):
        raise Broken(f"{mail.name} runs; its log says {_last_line(mail)!r}.")
    return f"{mail.name} runs, and its log says {look['TOKEN']}."


def killed(look: Look) -> str:
    """The program had the memory that it needs, and a limit."""
    heap = _ended(look, look["HEAP"])
    limit = heap.attrs["HostConfig"]["Memory"]
    code = heap.attrs["State"]["ExitCode"]
    if code != 0:
        raise Broken(f"{heap.name} has ended with exit code {code}; its limit: {limit >> 20} MiB.")
    if limit == 0:
        raise NotYet(f"{heap.name} has no limit at all.", mistake="limit-taken-away")
    if limit > 1 << 30:
        raise NotYet(f"The limit of {heap.name} is {limit >> 20} MiB.")
    return f"{heap.name} has ended with exit code 0 within its {limit >> 20} MiB."


def _ended(look: Look, name: str) -> Container:
    container = look.container(name)
    if container.status != "exited":
        raise NotYet(f"{name} is {container.status}; it has not ended.")
    return container


def _last_line(container: Container) -> str:
    lines = container.logs(tail=1).decode(errors="replace").strip().splitlines()
    return lines[-1][:80] if lines else ""


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "no network"
