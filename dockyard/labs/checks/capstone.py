"""Lab 15: capstone. Tries out what is at the café, the daemon in the container ``$CAFE``.

Its containers are recognised by their names or Compose services: ``proxy``, ``guestbook`` (one or
several) and ``db``.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import tarfile
import threading
import time
from typing import Any

from docker.errors import APIError
from docker.models.containers import Container

from dockyard import cleanup
from dockyard.core import wait
from dockyard.core.labels import CHECK
from dockyard.core.volume_notes import is_anonymous
from dockyard.labs import lab_catalog
from dockyard.labs.checks import registries
from dockyard.labs.checks.client import must_lead_to
from dockyard.labs.inspection import MEGABYTE, name_of
from dockyard.labs.probe import TLS_PORT, Probe
from dockyard.labs.verdict import Broken, NotYet, brief

BOOK, DB, PROXY = "guestbook", "db", "proxy"
DATA = "/var/lib/postgresql/data"
BOOK_PORT, DB_PORT = 8000, 5432
PATIENCE = 30
"""Seconds for a guestbook to answer."""

MOST_MEMORY, MOST_PROCESSES = 128, 100
"""Megabytes, and a number."""

_ONE_AT_A_TIME = threading.Lock()
"""A guestbook with limits has no room for the programs of several checks."""

UNREACHABLE = (
    "no such host", "server misbehaving", "connection refused", "timeout", "deadline exceeded",
    "no route to host", "network is unreachable", "x509",
)  # fmt: skip
"""What a daemon says when it does not get through to a registry at all."""

INVENTORY = """
id -u
find / -xdev \\( -name test_app.py -o -name 'flask-*.whl' \\) 2> /dev/null | head -n 1
"""

ATTACK = """
import json, os, re, socket
def works(action, *arguments):
    try:
        action(*arguments)
    except OSError:
        return False
    return True
def write(path):
    open(path, "x").close()
    os.unlink(path)
folder = os.getcwd().rstrip("/")
did = {
    "could write " + path: works(write, path)
    for path in (folder + "/.check", "/.check", "/usr/.check")
}
did["could change its root folder"] = works(os.chroot, "/")
did["could send raw packets"] = works(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
status = open("/proc/1/status").read()
did["could have capabilities"] = int(re.search("CapBnd:\\\\s*(\\\\w+)", status)[1], 16) != 0
did["could gain new privileges"] = "NoNewPrivs:\\t1" not in status
print(json.dumps([what for what, done in did.items() if done]))
"""
"""What an intruder who is root inside tries; prints what worked."""

SHARE = """
import json, threading
memory = None
for file in ("memory.max", "memory/memory.limit_in_bytes"):
    try:
        text = open("/sys/fs/cgroup/" + file).read().strip()
        memory = int(text) if text.isdigit() else None
        break
    except OSError:
        pass
threading.stack_size(65536)
enough, begun = threading.Event(), 0
try:
    while begun < {number}:
        threading.Thread(target=enough.wait, daemon=True).start()
        begun += 1
except RuntimeError:
    pass
enough.set()
print(json.dumps({{"memory": memory, "begun": begun}}))
"""
"""What the kernel lets a program in a container have: bytes, and how many threads it could start.

The kernel counts threads as processes, and they need less memory.
"""

REACH = """
import json, socket, sys
def answers(host, port):
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True
print(json.dumps([each for each in sys.argv[1:] if answers(*each.rsplit(":", 1))]))
"""

LOG_IN = """
import json, sys
import pg8000.dbapi
host, user, name, *passwords = sys.argv[1:]
let_in = []
for password in passwords:
    try:
        pg8000.dbapi.connect(user, host, name, password=password, timeout=3).close()
        let_in.append(password)
    except Exception:
        pass
print(json.dumps(let_in))
"""


def reached(probe: Probe) -> str:
    """The context leads to the café's daemon, which answers to its certificate."""
    cafe = probe.running(probe["CAFE"])
    must_lead_to(probe, cafe, probe.published(cafe, TLS_PORT))
    return f"The context {cafe.name} leads to the café's daemon, over TLS."


def registry(probe: Probe) -> str:
    """Tried as a stranger and as the user, from here; and by the café's daemon."""
    name, port = probe["REGISTRY"], int(probe["PORT"])
    registries.must_be_guarded(probe, name, port)
    who = {"username": registries.USER, "password": probe["PASSWORD"]}
    try:
        _cafe(probe).daemon.api.inspect_distribution(f"{name}:5000/{probe['BOOK']}:1", who)
    except APIError as error:
        said = (error.explanation or str(error)).lower()
        if any(each in said for each in UNREACHABLE):
            apart = probe["QUAY"] not in probe.container(name).attrs["NetworkSettings"]["Networks"]
            raise NotYet(
                f"The café's daemon cannot reach {name}:5000.",
                mistake="different-networks" if apart else None,
            ) from None
    return f"{name} lets in its user only, here and at the café."


def built(probe: Probe) -> str:
    """Tried in throw-away containers: who runs it, what is in it, what it answers."""
    image = _image(probe, "1")
    user, *surplus = probe.run(image, "-c", INVENTORY, entrypoint=["sh"])[1].split() or ["nobody"]
    if user == "0":
        history = [str(each.get("CreatedBy", "")) for each in probe.image(image).history()]
        early = any(re.search(r"\bUSER (?!root\b|0\b)\w", line) for line in history)
        raise NotYet(
            f"The guestbook in {image} runs as root.",
            mistake="user-at-build-time-only" if early else None,
        )
    if surplus:
        raise NotYet(f"{image} has {surplus[0]} in it.")
    _must_say(probe, image, "1")
    return f"{image} runs the guestbook, not as root, and without tests and wheels."


def scanned(probe: Probe) -> str:
    """The scan of the lab's own copy, in a container without a network."""
    image = _image(probe, "1")
    with cleanup.helper(
        probe.daemon,
        probe.image_id(image),
        ["/scan/scan.py"],
        entrypoint=["python"],
        network_mode="none",
    ) as container:
        container.put_archive("/", _packed_scan(probe))
        container.start()
        code = container.wait(timeout=20)["StatusCode"]
        said = probe.log(container).strip().splitlines() or ["nothing"]
    if code:
        raise NotYet(f"The scan of {image} says: {said[0]}")
    _must_say(probe, image, "1")
    return f"The scan of {image} finds nothing: {said[-1]}."


def published(probe: Probe) -> str:
    """The registry's image is the one that is here."""
    image = _image(probe, "1")
    here = _digests(probe.image(image).attrs)
    digest = _published(probe, "1")
    if digest is None:
        raise NotYet(
            f"The registry has no {probe['BOOK']}:1.",
            mistake=None if registries.logged_in(probe, int(probe["PORT"])) else "not-logged-in",
        )
    if digest not in here:
        raise NotYet(
            f"The registry's {probe['BOOK']}:1 is another image than the one that is here.",
            mistake="built-is-not-pushed",
        )
    return f"The registry has {probe['BOOK']}:1, the image that is here."


def served(probe: Probe) -> str:
    """The page has the entry, the database has it, and the image is the published one."""
    cafe = _cafe(probe)
    wanted = {_published(probe, tag) for tag in ("1", "2")} - {None}
    for each in _each(probe, BOOK):
        if not wanted & _digests(cafe.image(each.attrs["Image"]).attrs):
            raise NotYet(
                f"At the café, {each.name} is made from {each.attrs['Config']['Image']}, which is "
                "not the image in your registry.",
                mistake="built-twice",
            )
    (db, *_) = _each(probe, DB)
    cafe.must_be_from(db, "postgres:17")
    _each(probe, PROXY)
    _must_show_entry(probe)
    user, name = _account(probe)
    query = ("psql", "--tuples-only", "--username", user, "--dbname", name, "--command")
    _, rows = cafe.execute(db, *query, "SELECT sentence FROM entries")
    if probe["TOKEN"] not in rows:
        raise NotYet(f"The guestbook shows {probe['TOKEN']}, and {db.name} does not have it.")
    return "The café's guestbook shows your entry, which is in the database."


def secret(probe: Probe) -> str:
    """Looked for in all that the daemon tells; tried to log in with it and without."""
    cafe, word = _cafe(probe), probe["SECRET"]
    books = _each(probe, BOOK)
    for each in cafe.daemon.containers.list(all=True, ignore_removed=True):
        if CHECK not in each.labels and word in json.dumps(each.attrs):
            variables = word in json.dumps(each.attrs["Config"]["Env"])
            raise NotYet(
                f"Whoever may inspect {each.name} at the café reads the database's password.",
                mistake="secret-in-the-environment" if variables else None,
            )
    for image in {each.attrs["Config"]["Image"] for each in books}:
        if cafe.holds(image, word):
            raise NotYet(f"Whoever has the image {image} has the database's password.")
    (db, *_) = _each(probe, DB)
    user, name = _account(probe)
    (network, *_) = db.attrs["NetworkSettings"]["Networks"]
    host = db.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]
    let_in = _asked(cafe, books[0], LOG_IN, host, user, name, word, "another", network=network)
    if let_in != [word]:
        who = "anybody" if "another" in let_in else "nobody"
        raise NotYet(f"{db.name} at the café lets in {who}, whatever the password.")
    _page(probe)
    return f"{db.name} wants the password, and nobody can read it from outside."


def closed(probe: Probe) -> str:
    """Tried from the street, from the proxy's networks, and from inside the database."""
    cafe = _cafe(probe)
    (db, *_) = _each(probe, DB)
    visitors = probe.running(probe["VISITORS"])
    street = [DB_PORT, *(port for ports in cafe.doors(db).values() for port in ports)]
    targets = [f"{probe['CAFE']}:{port}" for port in street]
    if probe.document(visitors, "python", "-c", REACH, *targets) or len(street) > 1:
        raise NotYet(
            f"At the café, {db.name} is published at port {street[-1]}.",
            mistake="store-for-everybody",
        )
    outside = probe.running(probe["REGISTRY"]).attrs["NetworkSettings"]["Networks"]
    for address in (each["IPAddress"] for each in outside.values() if each["IPAddress"]):
        call = ("timeout", "1", "bash", "-c", f"exec 3<> /dev/tcp/{address}/5000")
        if cafe.execute(db, *call)[0] == 0:
            raise NotYet(f"At the café, {db.name} reaches {probe['REGISTRY']}, and so the world.")
    (proxy, *_) = _each(probe, PROXY)
    (book, *_) = _each(probe, BOOK)
    networks = db.attrs["NetworkSettings"]["Networks"].values()
    addresses = [f"{each['IPAddress']}:{DB_PORT}" for each in networks]
    for network in proxy.attrs["NetworkSettings"]["Networks"]:
        if _asked(cafe, book, REACH, *addresses, network=network):
            raise NotYet(
                f"At the café, {db.name} answers to whoever is on the network {network}, such as "
                f"{proxy.name}.",
                mistake="one-network-for-all",
            )
    _page(probe)
    return f"Only the guestbook reaches {db.name}, which reaches nobody."


def hardened(probe: Probe) -> str:
    """Attacked from inside, as root."""
    cafe = _cafe(probe)
    for each in _each(probe, BOOK):
        with _ONE_AT_A_TIME:
            code, text = cafe.execute(each, "python", "-c", ATTACK, user="0")
        if code:
            raise Broken(f"At the café, Python in {each.name} says: {brief(text)}")
        worked = json.loads(text)
        if worked:
            powerful = "could have capabilities" in worked and "write" not in worked[0]
            own = each.attrs["Config"]["User"] not in ("", "0", "root")
            raise NotYet(
                f"At the café, an intruder in {each.name} {worked[0]}.",
                mistake="not-root-is-not-powerless" if powerful and own else None,
            )
    _page(probe)
    return "An intruder in the café's guestbook can write nothing, and has no special rights."


def limits(probe: Probe) -> str:
    """Asked of the kernel, and tried, in each guestbook."""
    cafe = _cafe(probe)
    program = SHARE.format(number=MOST_PROCESSES)
    for each in _each(probe, BOOK):
        with _ONE_AT_A_TIME:
            share = cafe.document(each, "python", "-c", program)
        if share is None:
            raise Broken(f"At the café, {each.name} has no Python to try it with.")
        limited = {
            "processes": share["begun"] < MOST_PROCESSES,
            "memory": 0 < (share["memory"] or 0) <= MOST_MEMORY * MEGABYTE,
        }
        missing = [what for what, is_limited in limited.items() if not is_limited]
        if missing:
            wish = "memory" in missing and each.attrs["HostConfig"]["MemoryReservation"]
            alone = "a-wish-is-no-limit" if wish else "one-limit-of-two"
            raise NotYet(
                f"At the café, {each.name} has no limit of {' and '.join(missing)}, "
                "or too high a one.",
                mistake=alone if len(missing) == 1 else None,
            )
    _page(probe)
    return "The kernel gives the café's guestbook 128 MB and 100 processes at the most."


def healthy(probe: Probe) -> str:
    """The health checks pass, and fail in copies that lack what they ask for."""
    cafe = _cafe(probe)
    (book, *_) = _each(probe, BOOK)
    test = _health_test(book)
    variables = cafe.variables(book) | {"DATABASE_HOST": "127.0.0.1", "DATABASE_PASSWORD": "-"}
    variables.pop("DATABASE_PASSWORD_FILE", None)
    with cafe.throw_away(
        book.attrs["Image"],
        None,
        network_mode="none",
        environment=variables,
        healthcheck={"test": ["NONE"]},
    ) as alone:
        wait.within(5, lambda: BOOK_PORT in cafe.listening(alone), 0.2)
        if cafe.execute(alone, *test)[0] == 0:
            raise NotYet(f"The health check of {book.name} is content without a database.")
    (db, *_) = _each(probe, DB)
    test = _health_test(db)
    with _asleep(cafe, db, healthcheck={"test": ["NONE"]}) as asleep:
        if cafe.execute(asleep, *test)[0] == 0:
            raise NotYet(f"The health check of {db.name} is content with a database that sleeps.")
    for each in (db, *_each(probe, BOOK)):
        state = (each.attrs["State"].get("Health") or {}).get("Status", "without a health check")
        if state != "healthy":
            raise NotYet(f"At the café, {each.name} is {state}.")
    return "The café's guestbook and database are healthy, and would notice if they were not."


def comes_back(probe: Probe) -> str:
    """Kills the process of a copy of each, and sees it come back."""
    lost = [
        service for service in (PROXY, BOOK, DB) if not _survives(probe, _each(probe, service)[0])
    ]
    if lost:
        raise NotYet(
            f"Killed, {' and '.join(lost)} did not come back.",
            mistake="one-left-behind" if len(lost) == 1 else None,
        )
    return f"Killed, copies of {PROXY}, {BOOK} and {DB} came back."


def upgraded(probe: Probe) -> str:
    """Counted by the visitors: no visit failed, and none missed the entry."""
    if _published(probe, "2") is None:
        raise NotYet(f"The registry has no {probe['BOOK']}:2.")
    _must_have_changed(probe, "1", "2")
    return "Version 2 came, and no visit failed."


def returned(probe: Probe) -> str:
    """Counted by the visitors again, in the other direction."""
    _must_have_changed(probe, "2", "1")
    version = _must_show_entry(probe)["version"]
    if version != "1":
        raise NotYet(f"The café's guestbook says version {version}.")
    return "Version 1 came back, and no visit failed."


def restored(probe: Probe) -> str:
    """Restores the backup in a database of its own; and reads the entry on the page."""
    backup, word = probe.file("backup.sql"), probe["TOKEN"]
    if word not in backup:
        raise NotYet("backup.sql does not have your entry.")
    (db, *_) = _each(probe, DB)
    if word not in _restore(probe, db, backup):
        raise NotYet("Restored from backup.sql, an empty database does not have your entry.")
    cafe = _cafe(probe)
    volumes = [each for each in db.attrs["Mounts"] if each["Destination"] == DATA]
    if not volumes or volumes[0]["Type"] != "volume" or is_anonymous(volumes[0]["Name"]):
        raise NotYet(
            f"At the café, {db.name} keeps the entries in no volume with a name.",
            mistake="anonymous-volume" if volumes and volumes[0]["Type"] == "volume" else None,
        )
    made = datetime.datetime.fromisoformat(cafe.volume(volumes[0]["Name"]).attrs["CreatedAt"])
    if made.timestamp() < (probe.attempt.work / "backup.sql").stat().st_mtime - 1:
        raise NotYet(
            f"At the café, the volume {volumes[0]['Name']} is older than backup.sql: "
            "nothing was lost."
        )
    _must_show_entry(probe)
    return "All was lost, and your entry is back; backup.sql can be restored."


def _cafe(probe: Probe) -> Probe:
    return probe.daemon_in(probe.running(probe["CAFE"]))


def _image(probe: Probe, tag: str) -> str:
    return f"127.0.0.1:{probe['PORT']}/{probe['BOOK']}:{tag}"


def _digests(attributes: dict[str, Any]) -> set[str]:
    return {each.partition("@")[2] for each in attributes.get("RepoDigests") or ()}


def _published(probe: Probe, tag: str) -> str | None:
    """The digest of a tag of the guestbook in the learner's registry; None when it has none."""
    probe.running(probe["REGISTRY"])
    registry = registries.inside(probe, int(probe["PORT"]))
    return registry.ask(f"/v2/{probe['BOOK']}/manifests/{tag}").headers.get("Docker-Content-Digest")


def _must_say(probe: Probe, image: str, version: str) -> None:
    """Raise NotYet unless a throw-away container shows the guestbook in this version."""
    status, page = probe.answer(image, BOOK_PORT, PATIENCE)
    if status != 200:
        raise Broken(f"A container of {image} answers: {brief(page)}")
    if f"version {version} " not in page:
        raise NotYet(f"The page of {image} does not say version {version}.")


def _packed_scan(probe: Probe) -> bytes:
    """The folder scan of the lab, as a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(lab_catalog.FILES / probe.attempt.lab.name / "scan", "scan")
    return packed.getvalue()


def _each(probe: Probe, service: str) -> list[Container]:
    """The café's running containers of a service. Raises NotYet when there is none."""
    every = _cafe(probe).daemon.containers.list(all=True, ignore_removed=True)
    found = [each for each in every if _is_of(each, service)]
    running = [each for each in found if each.status == "running"]
    if not found:
        raise NotYet(f"At the café, there is no container {service}.")
    if not running:
        state = found[0].attrs["State"]
        code = state["ExitCode"]
        raise NotYet(f"At the café, {found[0].name} is {state['Status']}, with exit code {code}.")
    return running


def _is_of(container: Container, service: str) -> bool:
    labels = container.labels
    name = labels.get("com.docker.compose.service", name_of(container))
    once = labels.get("com.docker.compose.oneoff") == "True" or CHECK in labels
    return not once and (name == service or name.startswith(f"{service}-"))


def _page(probe: Probe) -> dict[str, Any]:
    """What the café's guestbook says in JSON; waits while its containers start."""
    deadline = time.monotonic() + PATIENCE
    while True:
        status, text = probe.get(probe["DOOR_PORT"], "/entries", PATIENCE)
        if status == 200:
            found: dict[str, Any] = json.loads(text)
            return found
        if time.monotonic() > deadline:
            raise Broken(f"The café's guestbook answers with status {status}: {brief(text)}")
        time.sleep(0.3)


def _must_show_entry(probe: Probe) -> dict[str, Any]:
    page = _page(probe)
    if not any(probe["TOKEN"] in entry["sentence"] for entry in page["entries"]):
        raise NotYet(
            f"The café's guestbook has {len(page['entries'])} entries, and none says "
            f"{probe['TOKEN']}."
        )
    return page


def _account(probe: Probe) -> tuple[str, str]:
    """The user and the name of the database that the guestbook was told."""
    told = _cafe(probe).variables(_each(probe, BOOK)[0])
    return told.get("DATABASE_USER", "guestbook"), told.get("DATABASE_NAME", "guestbook")


def _asked(cafe: Probe, book: Container, program: str, *words: str, network: str) -> list[str]:
    """The JSON that a Python program prints on a network of the café, in the guestbook's image."""
    code, text = cafe.run(
        book.attrs["Image"], "-c", program, *words, entrypoint=["python"], network=network
    )
    if code:
        raise Broken(f"At the café, Python in the image of {book.name} says: {brief(text)}")
    found: list[str] = json.loads(text)
    return found


def _health_test(container: Container) -> list[str]:
    """The command of a container's health check. Raises NotYet when it has none."""
    kind, *words = (container.attrs["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    if kind == "NONE":
        raise NotYet(f"At the café, {container.name} has no health check.")
    return words if kind == "CMD" else ["sh", "-c", *words]


def _asleep(cafe: Probe, container: Container, **options: Any) -> Any:
    """A throw-away container of the same image in which nothing but ``sleep`` runs, started."""
    return cafe.throw_away(
        container.attrs["Image"],
        ["60"],
        entrypoint=["sleep"],
        environment=container.attrs["Config"]["Env"],
        network_mode="none",
        **options,
    )


def _survives(probe: Probe, container: Container) -> bool:
    """Whether a copy of a container with its restart policy runs again after it was killed."""
    cafe = _cafe(probe)
    policy = dict(container.attrs["HostConfig"]["RestartPolicy"])
    with _asleep(cafe, container, restart_policy=policy) as copy:
        copy.reload()
        pid = copy.attrs["State"]["Pid"]
        # Not by the daemon, which does not start again what it was told to kill.
        probe.execute(probe.running(probe["CAFE"]), "kill", "-9", str(pid))

        def is_decided() -> str:
            copy.reload()
            state = copy.attrs["State"]
            if state["Running"] and state["Pid"] not in (0, pid):
                return "back"
            return "gone" if state["Status"] == "exited" else ""

        return wait.within(5, is_decided, 0.1) == "back"


def _must_have_changed(probe: Probe, before: str, after: str) -> None:
    log = probe.log(probe.running(probe["VISITORS"]), errors=False)
    must_have_seen(log, before, after)


def must_have_seen(log: str, before: str, after: str) -> None:
    """Raise NotYet unless visitors saw one version, then another, and nothing else meanwhile.

    log is what files/15-capstone/visitors.py prints.
    """
    seen = [
        (int(number), what)
        for number, _, what in (line.partition(" ") for line in log.splitlines())
        if number.isdigit()
    ]
    unbroken: set[str] = set()
    for _, what in seen:
        if what == f"version {after}" and f"version {before}" in unbroken:
            return
        unbroken = unbroken | {what} if re.fullmatch(r"version \w+", what) else set()
    came = [at for at, (_, what) in enumerate(seen) if what.startswith(f"version {after}")]
    left = [
        at
        for at, (_, what) in enumerate(seen)
        if what == f"version {before}" and came and at < came[-1]
    ]
    if not left:
        raise NotYet(f"The visitors have not seen version {before} and after it version {after}.")
    meanwhile = range(left[-1] + 1, came[-1])
    failed = sum(seen[at + 1][0] - seen[at][0] for at in meanwhile if seen[at][1] == "failed")
    if failed:
        raise NotYet(
            f"Between version {before} and version {after}, {failed} visits failed.",
            mistake="stopped-before-the-next-one-answers",
        )
    raise NotYet(f"When version {after} came, the visitors no longer saw your entry.")


def _restore(probe: Probe, db: Container, backup: str) -> str:
    """What a new database at the café has in its table after it was restored from a backup."""
    cafe = _cafe(probe)
    user, name = _account(probe)
    settings = {
        "POSTGRES_USER": user,
        "POSTGRES_DB": name,
        "POSTGRES_HOST_AUTH_METHOD": "trust",
        "POSTGRES_INITDB_ARGS": "--no-sync",
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        content = backup.encode()
        member = tarfile.TarInfo("backup.sql")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    with cleanup.helper(
        cafe.daemon, db.attrs["Image"], environment=settings, network_mode="none"
    ) as empty:
        empty.put_archive("/", packed.getvalue())
        empty.start()
        # Over TCP: while it prepares itself, the server listens at its socket only.
        ready = ("pg_isready", "--quiet", "--host", "127.0.0.1")
        if not wait.within(60, lambda: cafe.execute(empty, *ready)[0] == 0, 0.2):
            raise NotYet("A new database did not start within a minute. Check again.")
        at = ("psql", "--quiet", "--username", user, "--dbname", name)
        cafe.execute(empty, *at, "--file", "/backup.sql")
        return cafe.execute(empty, *at, "--command", "SELECT sentence FROM entries")[1]
