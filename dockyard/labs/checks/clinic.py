"""Lab 16: the clinic. A cure is right when what was broken does again what it is for."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

from docker.models.containers import Container

from dockyard.labs.checks.registries import Address, layers
from dockyard.labs.inspection import MEGABYTE, networks_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

UNITS = {"k": 1000, "m": MEGABYTE, "g": 1024 * MEGABYTE}


def exits_at_once(probe: Probe) -> str:
    """The server keeps running and answers with its page."""
    shop = probe.container(probe["SHOP"])
    try:
        return _serves(probe, "SHOP", f"the shop of {probe['TOKEN']}")
    except NotYet:
        # A server that exits at once may still have been running when it was inspected.
        shop.reload()
        if shop.status == "exited" and shop.attrs["State"]["ExitCode"] == 0:
            program = [shop.attrs["Path"], *shop.attrs["Args"]]
            alone = program[0] == "httpd" and "-f" not in program
            raise Broken(
                f"{shop.name} exited with code 0.",
                mistake="program-in-the-background" if alone else None,
            ) from None
        raise


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
    probe.must_be_from(probe.running(name), "httpd:2.4")
    return f"{name} is a web server, and {before} still has its notes."


def wrong_processor(probe: Probe) -> str:
    """The tool runs on this processor."""
    return _prints(probe, "TOOL", "the tool works")


def disk_full(probe: Probe) -> str:
    """There was room for the file."""
    container = _ended(probe, probe["DISK"])
    code = container.attrs["State"]["ExitCode"]
    if code != 0:
        same = (container.attrs["HostConfig"].get("Tmpfs") or {}).get("/data") == "size=1m"
        raise Broken(
            f"{container.name} exited with code {code}: {_last_line(probe, container)}",
            mistake="same-container-again" if same and probe.started_again(container) else None,
        )
    if "count=4" not in _program(container) or probe["TOKEN"] not in probe.log(container):
        raise NotYet(f"{container.name} has not written 4 MiB: it ran {_program(container)}.")
    return f"{container.name} found room for its file and exited with code 0."


def no_permission(probe: Probe) -> str:
    """The note is in the learner's folder, whose permissions did not change."""
    folder = probe.attempt.work / "inbox"
    container = _ended(probe, probe["POST"])
    if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & stat.S_IWOTH:
        raise NotYet(
            "Every user of this computer may write into the folder inbox.",
            mistake="opened-to-everybody",
        )
    code = container.attrs["State"]["ExitCode"]
    if code != 0:
        raise Broken(f"{container.name} exited with code {code}: {_last_line(probe, container)}")
    mounted = [mount["Destination"] for mount in container.attrs["Mounts"] if mount["RW"]]
    if not any(path in _program(container) for path in mounted):
        raise NotYet(f"{container.name} does not write into inbox: it ran {_program(container)}.")
    if probe["TOKEN"] not in probe.file("inbox/note"):
        raise Broken(f"{container.name} exited, and inbox/note does not say {probe['TOKEN']}.")
    if container.attrs["HostConfig"]["Privileged"]:
        raise NotYet(f"{container.name} is privileged, which is far more than it needs.")
    return "inbox/note is written, and the folder is as closed as before."


def loopback(probe: Probe) -> str:
    """The server can be reached from outside, with its files."""
    api, port = probe.running(probe["API"]), probe["API_PORT"]
    try:
        _, text = probe.get(port, "/hostname")
    except Broken as found:
        mistake = "listens-on-its-loopback" if _answers_inside(api, probe) else None
        raise Broken(found.saw, mistake=mistake) from None
    if text != probe.read(api, "/etc/hostname"):
        raise Broken(f"{api.name} answers at port {port}, but not with the file /etc/hostname.")
    return f"{api.name} answers at port {port} with the files of its folder /etc."


def _answers_inside(api: Container, probe: Probe) -> bool:
    """Whether the server answers inside its own container."""
    program = "import socket; socket.create_connection(('127.0.0.1', 8000), 2)"
    return probe.execute(api, "python", "-c", program)[0] == 0


def no_names(probe: Probe) -> str:
    """The server answers at its name."""
    cat, dog = probe.running(probe["CAT"]), probe.running(probe["DOG"])
    code, said = probe.execute(cat, "wget", "-q", "-T", "3", "-O", "-", f"http://{dog.name}/")
    if code:
        networks = [networks_of(each) for each in (cat, dog)]
        own = {*networks[0], *networks[1]} - {"bridge"}
        raise Broken(
            f"Inside {cat.name}: {brief(said)}. "
            f"{cat.name} is on {_listed(networks[0])}, {dog.name} on {_listed(networks[1])}.",
            mistake="one-of-two-connected" if own and networks[0] != networks[1] else None,
        )
    return f"Inside {cat.name}, http://{dog.name}/ answers."


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
    return _keeps_saying(probe, probe["MAIL"], probe["TOKEN"])


def killed(probe: Probe) -> str:
    """The program had the memory that it needs, and a limit."""
    heap = _ended(probe, probe["HEAP"])
    probe.must_be_from(heap, "python:3.13-slim")
    limit = heap.attrs["HostConfig"]["Memory"]
    code = heap.attrs["State"]["ExitCode"]
    if code != 0:
        raise Broken(f"{heap.name} exited with code {code}; its limit: {limit >> 20} MiB.")
    if "100_000_000" not in _program(heap) or "done" not in probe.log(heap):
        raise NotYet(f"{heap.name} ran {_program(heap)}.")
    if limit == 0:
        raise NotYet(f"{heap.name} has no limit at all.", mistake="limit-taken-away")
    if limit > 1 << 30:
        raise NotYet(f"The limit of {heap.name} is {limit >> 20} MiB.")
    return f"{heap.name} exited with code 0 within its {limit >> 20} MiB."


def line_endings(probe: Probe) -> str:
    """The entry point runs."""
    return _prints(probe, "SCRIPT", f"started by {probe['TOKEN']}")


def not_executable(probe: Probe) -> str:
    """The entry point runs."""
    return _prints(probe, "STARTER", f"started by {probe['TOKEN']}")


def program_not_found(probe: Probe) -> str:
    """The server answers with its page."""
    return _serves(probe, "TYPO", f"no typo of {probe['TOKEN']}")


def restart_loop(probe: Probe) -> str:
    """The program keeps running, and would be restarted."""
    loop = probe.container(probe["LOOP"])
    policy = loop.attrs["HostConfig"]["RestartPolicy"]["Name"]
    if policy != "always":
        raise NotYet(f"{loop.name} has the restart policy {policy or 'no'}.")
    return _keeps_saying(probe, probe["LOOP"], f"configured by {probe['TOKEN']}")


def unhealthy(probe: Probe) -> str:
    """The container is healthy, by a check that fails where no server runs."""
    said = _serves(probe, "SICK", f"the page of {probe['TOKEN']}")
    sick = probe.container(probe["SICK"])
    health, test = sick.attrs["State"].get("Health"), sick.attrs["Config"].get("Healthcheck") or {}
    if not health or test.get("Test", [])[:1] == ["NONE"]:
        raise NotYet(f"{sick.name} has no health check.")
    kind, *words = test["Test"]
    argv = ["sh", "-c", words[0]] if kind == "CMD-SHELL" else words
    if probe.run(sick.attrs["Config"]["Image"], "timeout", "5", *argv)[0] == 0:
        raise NotYet(f"The health check of {sick.name} also passes where no server runs.")
    if health["Status"] != "healthy":
        last = health["Log"][-1]["Output"] if health["Log"] else "it has not run yet"
        raise Broken(f"{sick.name} is {health['Status']}: {brief(last)}")
    return f"{said.removesuffix('.')}, and is healthy."


def endless_log(probe: Probe) -> str:
    """The log is kept, and cannot grow for ever."""
    chat = probe.running(probe["CHAT"])
    config = chat.attrs["HostConfig"]["LogConfig"]
    if config["Type"] not in ("json-file", "local"):
        raise NotYet(f"{chat.name} keeps no log here: its log driver is {config['Type']}.")
    if not probe.logged(chat, f"chat {probe['TOKEN']}"):
        raise NotYet(f"{chat.name} does not say 'chat {probe['TOKEN']}'.")
    options = config["Config"] or {}
    # What each driver takes by default: docs.docker.com/engine/logging/drivers.
    size, files = ("20m", "5") if config["Type"] == "local" else ("", "1")
    size, files = options.get("max-size", size).lower(), options.get("max-file", files)
    if not size or size == "-1":
        raise NotYet(f"The log of {chat.name} has no max-size.")
    whole = int(size.rstrip("kmgb")) * UNITS.get(size.rstrip("b")[-1], 1) * int(files)
    if whole > 10 * MEGABYTE:
        raise NotYet(f"The log of {chat.name} may take {whole / MEGABYTE:.3g} MB.")
    return f"{chat.name} runs, and its log takes at most {whole / MEGABYTE:.3g} MB."


def pools_overlap(probe: Probe) -> str:
    """Both networks are there, the first with its addresses."""
    lan, second = probe.network(probe["LAN"]), probe.network(probe["SECOND"])
    wanted = f"10.201.{int(probe['SUBNET']) % 250}.0/24"
    subnets = [each["Subnet"] for each in lan.attrs["IPAM"]["Config"]]
    if wanted not in subnets:
        raise Broken(f"{lan.name} has the addresses {_listed(subnets)}, and had {wanted}.")
    own = [each["Subnet"] for each in second.attrs["IPAM"]["Config"]]
    return f"{lan.name} has {wanted}, and {second.name} has {_listed(own)}."


def variable_not_set(probe: Probe) -> str:
    """The application runs with its word."""
    return _keeps_saying(probe, probe["STACK"], f"word is {probe['TOKEN']}")


def wrong_context(probe: Probe) -> str:
    """The client's current context leads to the course's daemon."""
    folder = probe.attempt.work / "client"
    if not _address(folder, probe["AWAY"]):
        raise NotYet(f"The client has no context called {probe['AWAY']}.")
    try:
        settings = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        settings = {}
    current = settings.get("currentContext") or "default"
    address = _address(folder, current) or "unix:///var/run/docker.sock"
    ask = ("--config", "client", "info", "--format", "{{.ID}}")
    done = probe.attempt.docker(*ask, timeout=30)
    if done.returncode:
        raise Broken(f"The current context is {current}, and no daemon answers at {address}.")
    if done.stdout.strip() != probe.daemon.info()["ID"]:
        raise Broken(f"At {address} another daemon answers.")
    return f"The client's context is {current}, and the course's daemon answers."


def _address(folder: Path, context: str) -> str | None:
    key = hashlib.sha256(context.encode()).hexdigest()
    try:
        meta = json.loads((folder / "contexts" / "meta" / key / "meta.json").read_text())
        return meta["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError):
        return None


def mount_hides_files(probe: Probe) -> str:
    """The server answers with the page of the folder itself."""
    said = _serves(probe, "HIDE", f"the page of {probe['TOKEN']}")
    hide = probe.container(probe["HIDE"])
    paths = [mount["Destination"] for mount in hide.attrs["Mounts"]]
    if not any(probe.shows(hide, path, probe.attempt.work / "hide") for path in paths):
        raise NotYet(f"The page of {hide.name} is not the one in the folder hide: it is a copy.")
    return said


def file_became_a_folder(probe: Probe) -> str:
    """The container has printed the file through its mount."""
    container = _ended(probe, probe["CONF"])
    sources = [Path(mount["Source"]).name for mount in container.attrs["Mounts"]]
    if "app.conf" not in sources:
        raise NotYet(f"{container.name} has no mount of conf/app.conf.")
    code, said = container.attrs["State"]["ExitCode"], probe.log(container)
    if code or probe["TOKEN"] not in said:
        last = _last_line(probe, container)
        raise Broken(f"{container.name} exited with code {code}: {last}")
    if probe.file("conf/app.conf").strip() not in said:
        raise Broken(f"{container.name} printed {brief(said)!r}, which is not conf/app.conf.")
    return f"{container.name} has printed conf/app.conf."


def inner_port(probe: Probe) -> str:
    """The server answers with its page."""
    return _serves(probe, "INNER", f"the page of {probe['TOKEN']}")


def own_localhost(probe: Probe) -> str:
    """The program has fetched the server's page."""
    probe.running(probe["SERVER"])
    ask = _ended(probe, probe["ASK"])
    if "wget" not in _program(ask):
        raise NotYet(f"{ask.name} has not asked {probe['SERVER']}: it ran {_program(ask)}.")
    code = ask.attrs["State"]["ExitCode"]
    if code or f"served by {probe['TOKEN']}" not in probe.log(ask):
        last = _last_line(probe, ask)
        raise Broken(
            f"{ask.name} exited with code {code}: {last}",
            mistake="localhost-of-the-container" if "(127.0.0.1)" in last else None,
        )
    return f"{ask.name} has printed the page of {probe['SERVER']}."


def network_in_use(probe: Probe) -> str:
    """The network is gone, and the container has gone on."""
    guest = probe.running(probe["GUEST"])
    try:
        network = probe.network(probe["OFFICE"])
    except NotYet:
        if probe.started_again(guest):
            raise NotYet(f"{guest.name} was started again.") from None
        return f"There is no network {probe['OFFICE']}, and {guest.name} has gone on running."
    raise NotYet(f"There is still a network {network.name}.")


def volume_in_use(probe: Probe) -> str:
    """The volume is gone, and its file is saved."""
    word = probe.file("word")
    if f"kept by {probe['TOKEN']}" not in word:
        raise Broken(f"word says {brief(word)!r}.")
    try:
        volume = probe.volume(probe["STORE"])
    except NotYet:
        return f"The volume {probe['STORE']} is removed, and its file is saved."
    raise NotYet(f"There is still a volume {volume.name}.")


def read_only(probe: Probe) -> str:
    """The program has its state, and the file system is read-only."""
    sealed = probe.running(probe["SEALED"])
    code, state = probe.execute(sealed, "cat", "/tmp/state")
    if code or probe["TOKEN"] not in state:
        raise NotYet(f"{sealed.name} has no file /tmp/state of its program.")
    if probe.execute(sealed, "sh", "-c", "touch /.check && rm /.check", user="0")[0] == 0:
        raise NotYet(f"The file system of {sealed.name} can be written to.")
    return f"{sealed.name} has written its state, and its own file system is read-only."


def not_permitted(probe: Probe) -> str:
    """The program had the one capability that it needs."""
    owner = _ended(probe, probe["OWNER"])
    host = owner.attrs["HostConfig"]
    said = _said(probe, owner, f"{probe['TOKEN']} owns it", "chown")
    if host["Privileged"]:
        raise NotYet(f"{owner.name} is privileged: it has all capabilities.")
    if "ALL" not in [each.upper() for each in host["CapDrop"] or []]:
        raise NotYet(f"{owner.name} has the default capabilities, not one only.")
    added = [each.upper().removeprefix("CAP_") for each in host["CapAdd"] or []]
    if added != ["CHOWN"]:
        raise NotYet(f"{owner.name} has the capabilities {_listed(added)}.")
    return said


def cannot_fork(probe: Probe) -> str:
    """The program could start its processes, and has a limit."""
    fork = _ended(probe, probe["FORK"])
    said = _said(probe, fork, f"{probe['TOKEN']} has forked", "sleep")
    limit = fork.attrs["HostConfig"]["PidsLimit"] or 0
    if limit <= 0:
        raise NotYet(f"{fork.name} has no limit of processes.")
    if limit > 100:
        raise NotYet(f"{fork.name} may have {limit} processes.")
    return said


def quotes_in_the_value(probe: Probe) -> str:
    """The program prints its value without quotes."""
    quote = _ended(probe, probe["QUOTE"])
    if "$WORD" not in _program(quote):
        raise NotYet(f"{quote.name} ran {_program(quote)}, which prints no WORD.")
    if (text := probe.log(quote).strip()) != probe["TOKEN"]:
        raise Broken(f"{quote.name} prints {brief(text)}.")
    return f"{quote.name} prints {text}."


def socket_denied(probe: Probe) -> str:
    """The user sees the daemon's containers, and a stranger does not."""
    ship = probe.running(probe["SHIP"])
    code, said = probe.execute(ship, "docker", "ps", user="sailor")
    if code:
        raise Broken(f"On {ship.name}, docker ps of the user sailor says: {brief(said)}")
    if probe.execute(ship, "id", "-u", user="sailor")[1].strip() == "0":
        raise NotYet(f"On {ship.name}, sailor is root now.")
    if probe.execute(ship, "docker", "ps", user="nobody")[0] == 0:
        raise NotYet(f"On {ship.name}, the user nobody also gets in: so does everybody.")
    return f"On {ship.name}, sailor sees the containers, and nobody is still refused."


def no_matching_manifest(probe: Probe) -> str:
    """The program of the image runs on this processor."""
    return _said(probe, _ended(probe, probe["CRANE"]), f"lifted by {probe['TOKEN']}", "/crane")


def too_many_requests(probe: Probe) -> str:
    """The container is of the image that the registry has."""
    return _is_delivered(probe, "FRUIT", "MIRROR", "cat /fruit")


def unknown_authority(probe: Probe) -> str:
    """The program trusts the authority, and does not do without it."""
    lookup, registry = _ended(probe, probe["LOOKUP"]), f"{probe['VAULT']}:5000"
    program = " ".join([lookup.attrs["Path"], *lookup.attrs["Args"]])
    if f"manifest inspect {registry}/" not in program.replace("--insecure ", ""):
        raise NotYet(f"{lookup.name} has not asked {registry}: it ran {brief(program)}.")
    if "--insecure" in program:
        raise NotYet(f"{lookup.name} checks no certificate: it ran {brief(program)}.")
    code = lookup.attrs["State"]["ExitCode"]
    if code or "schemaVersion" not in probe.log(lookup):
        last = probe.log(lookup, tail=1).strip().rpartition(": ")[2]
        raise Broken(f"{lookup.name} exited with code {code}: {brief(last)}")
    return f"{lookup.name} trusts the company's authority, and has printed the manifest."


def http_to_https(probe: Probe) -> str:
    """The container is of the image that the registry has."""
    return _is_delivered(probe, "BERRY", "PLAIN", "cat /berry")


def cache_full(probe: Probe) -> str:
    """The image is built, and what is needed is there."""
    depot = probe.running(probe["DEPOT"])
    needed = (("image", "parcel:1"), ("container", "ledger"), ("volume", "notes"))
    for kind, name in (*needed, ("image", "parcel:2")):
        if probe.inspected(depot, kind, name) is None:
            raise NotYet(f"{depot.name} has no {kind} {name}.")
    show = ("docker", "run", "--rm", "--network", "none", "parcel:2", "cat", "/word")
    code, word = probe.execute(depot, *show)
    if code or probe["TOKEN"] not in word:
        raise Broken(f"parcel:2 does not hold the word of /app: {brief(word)!r}.")
    if probe["TOKEN"] not in probe.execute(depot, "docker", "logs", "ledger")[1]:
        raise NotYet(f"The ledger on {depot.name} is another one: its log is empty.")
    return f"parcel:2 is built on {depot.name}, and what was needed is there."


def _is_delivered(probe: Probe, name: str, registry: str, program: str) -> str:
    """What to say of a container whose image a registry has as ``NAME:1``. Raises NotYet.

    registry is the name of a value, as is its port.
    """
    container = _ended(probe, probe[name])
    address = Address(int(probe[f"{registry}_PORT"]))
    if probe.layers(container.attrs["Image"]) != layers(address, probe[name], "1"):
        raise NotYet(
            f"{container.name} was not made from what the registry has as {probe[name]}:1."
        )
    return _said(probe, container, probe["PICKED"], program)


def _serves(probe: Probe, name: str, words: str) -> str:
    """What to say of a server that answers at its port with these words. Raises NotYet."""
    container, port = probe.running(probe[name]), probe[f"{name}_PORT"]
    status, text = probe.get(port)
    if status != 200 or words not in text:
        raise Broken(f"Port {port} answers without the words {words!r}: {brief(text)[:40]!r}.")
    return f"{container.name} answers at port {port} with its page."


def _prints(probe: Probe, name: str, words: str) -> str:
    """What to say of an image whose container prints these words. Raises NotYet."""
    image = f"{probe[name]}:1"
    code, said = probe.run(image)
    if code != 0 or words not in said:
        raise Broken(f"{image} exits with code {code} and says {brief(said)!r}.")
    return f"{image} says: {words}."


def _keeps_saying(probe: Probe, name: str, words: str) -> str:
    """What to say of a container that has these words in its log and runs. Raises NotYet."""
    container = probe.container(name)
    if container.status != "running":
        raise Broken(
            f"{name} is {container.status}; its log says {_last_line(probe, container)!r}."
        )
    if not probe.logged(container, words):
        raise Broken(f"{name} runs, and its log does not say {words!r}.")
    return f"{name} runs, and its log says: {words}."


def _said(probe: Probe, container: Container, words: str, program: str) -> str:
    """What to say of a container whose program has ended with these words. Raises NotYet."""
    code = container.attrs["State"]["ExitCode"]
    if code or words not in probe.log(container):
        raise Broken(f"{container.name} exited with code {code}: {_last_line(probe, container)}")
    if program not in _program(container):
        raise NotYet(f"{container.name} ran {_program(container)}.")
    return f"{container.name} exited with code 0 and said: {words}."


def _ended(probe: Probe, name: str) -> Container:
    container = probe.container(name)
    if container.status == "created":
        raise NotYet(f"{name} is created, and has not run.")
    if container.status != "exited":
        raise NotYet(f"{name} is {container.status}; it has not exited.")
    return container


def _program(container: Container) -> str:
    return brief(" ".join([container.attrs["Path"], *container.attrs["Args"]]))


def _last_line(probe: Probe, container: Container) -> str:
    lines = probe.log(container, tail=1).strip().splitlines()
    return lines[-1][:80] if lines else container.attrs["State"]["Error"][:80]


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "no network"
