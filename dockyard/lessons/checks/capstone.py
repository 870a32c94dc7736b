"""The tasks of lesson 15: the capstone. The café's daemon is in the container ``cafe``."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from docker.models.containers import Container

from dockyard.labs.checks.registries import Address
from dockyard.labs.inspection import MEGABYTE
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

IMAGE = "guestbook:1"
DOOR = 8095
"""Where the café's guestbook is on this computer."""

REGISTRY_PORT = 8092
PASSWORD = "sesame"
BUILD_TIME = 180
"""Seconds."""

LOG_LIMIT = 10
"""Megabytes."""

PACKAGES = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({each.name: each.version for each in m.distributions()}))"
)


def built(probe: Probe) -> str:
    """A container of the image answers, is not root, and has only what it needs."""
    status, page = probe.answer(IMAGE, 8000)
    if status != 200:
        raise Broken(f"A container of {IMAGE} answers: {brief(page)}")
    if "version 1 " not in page:
        raise NotYet(f"The page of {IMAGE} does not say version 1.")
    user = probe.run(IMAGE, "-u", entrypoint=["id"])[1].strip()
    if user == "0":
        raise NotYet(f"In {IMAGE} the guestbook runs as root.")
    for path in ("/app/test_app.py", "/app/wheels"):
        if not probe.run(IMAGE, "-e", path, entrypoint=["test"])[0]:
            raise NotYet(f"{IMAGE} has {path} in it.")
    return f"{IMAGE} runs the guestbook, not as root, and without tests and wheels."


def gated(probe: Probe) -> str:
    """A copy of the source builds, and does not build with a mistake in it."""
    probe.file("guestbook/Dockerfile")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "guestbook")
        shutil.copytree(probe.attempt.work / "guestbook", copy)
        if message := _build(probe, copy):
            raise Broken(f"guestbook cannot be built: {message}")
        app = copy / "app.py"
        app.write_text(app.read_text().replace('f"ok, {', 'f"perhaps, {'))
        message = _build(probe, copy)
    if not message:
        raise NotYet("An app.py whose test fails can be built all the same.")
    return "guestbook can be built, and a guestbook whose tests fail cannot."


def listed(probe: Probe) -> str:
    """The file names each package of the image with its version."""
    text = probe.file("packages.txt").lower()
    code, found = probe.run(IMAGE, "-c", PACKAGES, entrypoint=["python"])
    if code:
        raise Broken(f"Python in {IMAGE} says: {brief(found)}")
    said = [_words(line) for line in text.splitlines()]
    inside = {_plain(name): version for name, version in json.loads(found).items()}
    for name, version in sorted(inside.items()):
        if [name, version.lower()] not in said:
            raise NotYet(f"packages.txt has no line for {name} {version}, which is in {IMAGE}.")
    if extra := [words[0] for words in said if len(words) > 1 and _is_foreign(words, inside)]:
        raise NotYet(f"packages.txt lists {extra[0]} otherwise than it is in {IMAGE}.")
    return f"packages.txt lists the Python packages in {IMAGE}, each with its version."


def published(probe: Probe) -> str:
    """The registry holds the image that is here."""
    name = f"127.0.0.1:{REGISTRY_PORT}/guestbook:1"
    digest = _digest(probe, "1")
    if digest is None:
        try:
            probe.image(name)
        except NotYet:
            raise NotYet("The registry has no guestbook:1.") from None
        raise NotYet("The registry has no guestbook:1.", mistake="not-logged-in")
    if probe.image_id(name) != probe.image_id(IMAGE):
        raise NotYet(f"{name} is another image than {IMAGE}.")
    known = {each.partition("@")[2] for each in probe.image(name).attrs["RepoDigests"]}
    if digest not in known:
        raise NotYet(f"The registry's guestbook:1 is another image than {IMAGE}.")
    return "The registry, over TLS and with a password, has the guestbook:1 that you built."


def reached(probe: Probe) -> str:
    """The context leads to the café's daemon, and a stranger cannot go that way."""
    probe.running("cafe")
    contexts = probe.attempt.docker("context", "ls", "--format", "{{.Name}} {{.DockerEndpoint}}")
    known = dict(line.split(" ", 1) for line in contexts.stdout.splitlines() if " " in line)
    if "cafe" not in known:
        raise NotYet("There is no context called cafe.")
    answer = probe.attempt.docker("--context", "cafe", "info", "--format", "{{.Name}}")
    if answer.returncode or not answer.stdout.strip():
        raise Broken(
            f"The context cafe leads to {known['cafe']}: {brief(answer.stderr)}",
            mistake="certificates-left-out" if "2376" in known["cafe"] or "8094" in known["cafe"]
            else None,
        )  # fmt: skip
    if answer.stdout.strip() != "cafe":
        raise NotYet(f"The context cafe leads to the daemon on {answer.stdout.strip()}.")
    return "The context cafe leads to the café's daemon, over TLS."


def served(probe: Probe) -> str:
    """The page answers, and its entries are in the database."""
    entries = _page(probe)["entries"]
    for service, image in (("guestbook", "registry:5000/guestbook"), ("db", "postgres")):
        used = _service(probe, service)["Config"]["Image"].removeprefix("docker.io/library/")
        if not used.startswith(f"{image}:"):
            raise NotYet(f"At the café, {service} is made from {used}.")
    db = _service(probe, "db")
    health = (db["State"].get("Health") or {}).get("Status", "without a health check")
    if health != "healthy":
        raise NotYet(f"At the café, db is {health}.")
    if not _volume(db):
        raise NotYet("At the café, db keeps its entries in no volume with a name.")
    _must_have_ada(probe, entries)
    if "Ada" not in _query(probe, "SELECT name FROM entries"):
        raise NotYet("The guestbook keeps its entries elsewhere than in db.")
    return "The café's guestbook shows Ada's entry, which is in the database."


def closed(probe: Probe) -> str:
    """Only networks that lead nowhere, no published port, and the page works."""
    db = _service(probe, "db")
    doors = [door for each in db["NetworkSettings"]["Ports"].values() for door in each or ()]
    if doors:
        raise NotYet(f"At the café, db is published at port {doors[0]['HostPort']}.")
    for name in db["NetworkSettings"]["Networks"]:
        network = probe.inspected(probe.running("cafe"), "network", name)
        if network and not network["Internal"]:
            raise NotYet(f"At the café, db is on the network {name}, which leads outside.")
    _page(probe)
    return "At the café, db is published nowhere and reaches nothing outside; guestbook uses it."


def hardened(probe: Probe) -> str:
    """Tried from inside as root, and read from the kernel; the page works."""
    guestbook = _service(probe, "guestbook")
    cafe, id = probe.running("cafe"), guestbook["Id"]
    write = ("docker", "exec", "--user", "0", id, "touch", "/app/changed")
    code, said = probe.execute(cafe, *write)
    if code == 0:
        raise NotYet("At the café, guestbook can change its own program.")
    if "Read-only" not in said:
        raise NotYet(f"A write in guestbook fails for another reason: {brief(said)}")
    _, text = probe.execute(cafe, "cat", f"/proc/{guestbook['State']['Pid']}/status")
    status = dict(re.findall(r"^(\w+):\s*(\S+)", text, re.MULTILINE))
    if int(status.get("CapBnd", "1"), 16):
        raise NotYet("At the café, a program in guestbook could have capabilities.")
    if status.get("NoNewPrivs") != "1":
        raise NotYet("At the café, a program in guestbook may gain new privileges.")
    memory = guestbook["HostConfig"]["Memory"] or 0
    processes = guestbook["HostConfig"]["PidsLimit"] or 0
    limits = [0 < memory <= 128 * MEGABYTE, 0 < processes <= 100]
    if not all(limits):
        what = "processes" if limits[0] else "memory"
        raise NotYet(
            f"At the café, guestbook has no limit of {what}, or too high a one.",
            mistake="one-limit-of-two" if any(limits) else None,
        )
    _page(probe)
    return (
        "The café's guestbook cannot change itself, has no capabilities and two limits, and works."
    )


def logged(probe: Probe) -> str:
    """Size and number of log files are limited for both."""
    for service in ("guestbook", "db"):
        config = _service(probe, service)["HostConfig"]["LogConfig"]
        size = _log_size(config["Type"], config.get("Config") or {})
        if size is None:
            raise NotYet(f"At the café, the log of {service} grows without end.")
        if size > LOG_LIMIT:
            raise NotYet(f"At the café, the log of {service} may take {size:.0f} MB.")
    _page(probe)
    return f"At the café, no log takes more than {LOG_LIMIT} MB."


def upgraded(probe: Probe) -> str:
    """Version 2 is published and runs, and visitors saw both versions."""
    if _digest(probe, "2") is None:
        raise NotYet("The registry has no guestbook:2.")
    _must_run(probe, "2")
    _must_have_seen(probe, "1", "2")
    return "The café runs version 2 and has Ada's entry; visitors saw version 1, then version 2."


def returned(probe: Probe) -> str:
    """Version 1 runs again, and visitors saw both versions."""
    _must_run(probe, "1")
    _must_have_seen(probe, "2", "1")
    return "The café runs version 1 again and has Ada's entry; visitors saw version 2, then 1."


def restored(probe: Probe) -> str:
    """The backup has the entry, the volume is newer, and the page shows the entry."""
    if "Ada" not in probe.file("backup.sql"):
        raise NotYet("backup.sql is there, but Ada's entry is not in it.")
    name = _volume(_service(probe, "db"))
    volume = probe.inspected(probe.running("cafe"), "volume", name) if name else None
    if volume is None:
        raise NotYet("At the café, db keeps its entries in no volume with a name.")
    made = datetime.datetime.fromisoformat(volume["CreatedAt"]).timestamp()
    if made < (probe.attempt.work / "backup.sql").stat().st_mtime - 1:
        raise NotYet(f"At the café, the volume {name} is older than backup.sql: nothing was lost.")
    _must_have_ada(probe, _page(probe)["entries"])
    return "Everything was lost, and Ada's entry is back from backup.sql."


def _build(probe: Probe, folder: Path) -> str:
    """Build a folder and keep nothing but the cache; the last line of an error, or nothing."""
    build = ("build", "--quiet", "--output", "type=cacheonly", str(folder))
    done = probe.attempt.docker(*build, timeout=BUILD_TIME)
    return brief(done.stderr.strip().splitlines()[-1]) if done.returncode else ""


def _words(line: str) -> list[str]:
    """Name and version in a line of ``pip list``, ``pip freeze`` and the like."""
    name, *rest = re.split(r"[\s=@,;\"]+", line.strip())
    return [_plain(name), *rest[:1]]


def _plain(name: str) -> str:
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_foreign(words: list[str], inside: dict[str, str]) -> bool:
    """Whether a line names a version, of a package that the image has otherwise or not at all."""
    return words[1][:1].isdigit() and inside.get(words[0], "").lower() != words[1]


def _digest(probe: Probe, tag: str) -> str | None:
    """The digest of a tag of the guestbook in the registry; None when there is none."""
    certificate = probe.read(probe.running("registry"), "/keys/cert.pem")
    registry = Address(REGISTRY_PORT, certificate, PASSWORD)
    answer = registry.ask(f"/v2/guestbook/manifests/{tag}")
    return answer.headers.get("Docker-Content-Digest") if answer.status == 200 else None


def _service(probe: Probe, name: str) -> dict[str, Any]:
    """The café's running container of a Compose service, as inspected."""
    cafe = probe.running("cafe")
    label = f"label=com.docker.compose.service={name}"
    _, ids = probe.execute(cafe, "docker", "ps", "--quiet", "--filter", label)
    if not ids.split():
        raise NotYet(f"At the café, no container of a Compose service {name} runs.")
    return probe.running_there(cafe, ids.split()[0])


def _page(probe: Probe) -> dict[str, Any]:
    """What the café's guestbook says in JSON."""
    status, text = probe.get(DOOR, "/entries", patience=20)
    if status != 200:
        raise Broken(f"The café's guestbook answers: {brief(text)}")
    found: dict[str, Any] = json.loads(text)
    return found


def _must_have_ada(probe: Probe, entries: list[dict[str, str]]) -> None:
    if not any(entry["name"] == "Ada" for entry in entries):
        raise NotYet(f"The café's guestbook has {len(entries)} entries, and none is Ada's.")


def _query(probe: Probe, sql: str) -> str:
    """What the café's database answers, one row a line."""
    cafe: Container = probe.running("cafe")
    command = ("psql", "--username", "guestbook", "--tuples-only", "--command", sql, "guestbook")
    return probe.execute(cafe, "docker", "exec", _service(probe, "db")["Id"], *command)[1]


def _volume(container: dict[str, Any]) -> str:
    """The name of the volume with PostgreSQL's files; empty when it has none."""
    for mount in container["Mounts"]:
        if mount["Destination"] == "/var/lib/postgresql/data" and mount["Type"] == "volume":
            name: str = mount["Name"]
            return "" if re.fullmatch("[0-9a-f]{64}", name) else name
    return ""


def _log_size(driver: str, options: dict[str, str]) -> float | None:
    """How many megabytes a log may take; None if there is no limit."""
    if driver == "none":
        return 0
    size = options.get("max-size", "20m" if driver == "local" else "")
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", size.lower())
    if not number or driver not in ("local", "json-file"):
        return None
    files = int(options.get("max-file", 5 if driver == "local" else 1))
    return float(number[1]) * {"": 1e-6, "k": 1e-3, "m": 1, "g": 1e3}[number[2]] * files


def _must_run(probe: Probe, version: str) -> None:
    page = _page(probe)
    if page["version"] != version:
        raise NotYet(f"The café's guestbook says version {page['version']}.")
    _must_have_ada(probe, page["entries"])


def _must_have_seen(probe: Probe, before: str, after: str) -> None:
    """Raise NotYet unless the last visit of ``visitors`` saw one version, then the other."""
    log = probe.log(probe.container("visitors"))
    reports = [line for line in log.splitlines() if line.startswith("visits: ")]
    if not reports:
        raise NotYet("visitors has not been started and stopped yet.")
    if re.findall(r"version (\w+)", reports[-1]) != [before, after]:
        raise NotYet(f"visitors did not see version {before}, then version {after}: {reports[-1]}")
