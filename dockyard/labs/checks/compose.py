"""Lab 07: Compose."""

from __future__ import annotations

from pathlib import PurePosixPath

from docker.models.containers import Container
from docker.types import Mount

from dockyard.core import wait
from dockyard.core.volume_notes import is_anonymous
from dockyard.labs.inspection import name_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet, brief

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
DEPENDS = "com.docker.compose.depends_on"


def up(probe: Probe) -> str:
    """One container of the service runs."""
    (container, *_) = _running(probe, probe["HELLO"], "web")
    return f"{container.name} is running."


def two(probe: Probe) -> str:
    """Two containers of the service run."""
    found = _running(probe, probe["HELLO"], "web")
    if len(found) != 2:
        raise NotYet(f"Of web, {_count(len(found))} running.")
    return "Two containers of web are running."


def run_inside(probe: Probe) -> str:
    """The file is in the project's volume."""
    _running(probe, probe["HELLO"], "web")
    return _sign(probe)


def down(probe: Probe) -> str:
    """Containers and network are removed, the volume is kept."""
    project = probe["HELLO"]
    left = _containers(probe, project)
    if left:
        raise NotYet(f"The project {project} still has {_count(len(left), '')}.")
    if networks := probe.daemon.networks.list(filters={"label": f"{PROJECT}={project}"}):
        raise NotYet(f"The network {networks[0].name} is still there.")
    _sign(probe)
    return f"The project {project} has ended; its volume still has the file sign."


def _sign(probe: Probe) -> str:
    volume = f"{probe['HELLO']}_pages"
    text = probe.read_volume(volume, "sign")
    if text is None:
        raise NotYet(f"The volume {volume} has no file sign.")
    if probe["TOKEN"] not in text:
        raise Broken(f"The file sign says {text.strip()[:60]!r}.")
    return f"The file sign says {probe['TOKEN']}; it is in the volume {volume}."


def counter(probe: Probe) -> str:
    """The counter counts."""
    return _counts(probe, probe["COUNTER"], probe["PORT"])


def keeper(probe: Probe) -> str:
    """The counter counts, and its number outlives the container of the store."""
    project = probe["KEEPER"]
    counts = _counts(probe, project, probe["KEEPER_PORT"])
    (store, *_) = _running(probe, project, "store")
    kept = {
        each["Destination"]: each["Name"]
        for each in store.attrs["Mounts"]
        if each["Type"] == "volume" and _is_visits(probe, each["Name"], project)
    }
    _, said = probe.execute(store, "redis-cli", "config", "get", "dir")
    folder = (said.split() or ["/data"])[-1]
    if not kept:
        _judge_place(store, folder)
    (place, volume) = next(iter(kept.items()))
    if PurePosixPath(folder) != PurePosixPath(place):
        raise NotYet(
            f"{store.name} has the volume {volume} at {place}, and writes to {folder}.",
            mistake="volume-at-another-path",
        )
    if not _remembers(probe, store, place):
        raise NotYet(
            f"{store.name} forgets its numbers: stopped and made anew with the same files, "
            "it begins again."
        )
    return f"{counts} The number is kept in {volume}."


def _is_visits(probe: Probe, volume: str, project: str) -> bool:
    labels = probe.volume(volume).attrs["Labels"] or {}
    key, of = (labels.get(f"com.docker.compose.{what}") for what in ("volume", "project"))
    return volume in (f"{project}_visits", "visits") or (key, of) == ("visits", project)


def _judge_place(store: Container, folder: str) -> None:
    """Raise NotYet with the place at which the store keeps its data."""
    mounts = {PurePosixPath(each["Destination"]): each for each in store.attrs["Mounts"]}
    mount = mounts.get(PurePosixPath(folder))
    saw = f"{store.name} keeps its data in"
    named = [
        each
        for each in mounts.values()
        if each["Type"] == "volume" and not is_anonymous(each["Name"])
    ]
    if mount and mount["Type"] == "bind":
        raise NotYet(f"{saw} the folder {PurePosixPath(mount['Source']).name}, not in a volume.")
    if mount and mount in named:
        raise NotYet(f"{saw} a volume called {mount['Name']}.")
    if mount and mount["Type"] == "volume":
        raise NotYet(f"{saw} a volume without a name.", mistake="anonymous-volume")
    raise NotYet(f"{saw} its own layer, at {folder}.", mistake="written-to-the-container-layer")


def _remembers(probe: Probe, store: Container, place: str) -> bool:
    """Whether a store like this one has its number again after ``down`` and ``up``.

    Tries it with copies that have a volume of their own, and not with the learner's.
    """

    def cli(copy: Container, *words: str) -> str:
        if not wait.within(5, lambda: _ping(probe, copy), 0.1):
            raise Broken(f"A copy of {store.name} does not start.")
        return probe.execute(copy, "redis-cli", *words)[1]

    # The daemon chooses the name of the volume, and removes it with the first copy.
    own = Mount(place, None, type="volume")
    with probe.copy_of(store, mounts=[own]) as first:
        first.start()
        cli(first, "incr", "dockyard")
        first.stop(timeout=3)
        with probe.copy_of(store, volumes_from=[first.id]) as second:
            second.start()
            return cli(second, "get", "dockyard").strip() == "1"


def _ping(probe: Probe, copy: Container) -> bool:
    try:
        return "PONG" in probe.execute(copy, "redis-cli", "ping")[1]
    except Broken:
        return False


def _counts(probe: Probe, project: str, port: str) -> str:
    (web, *_) = _existing(probe, project, "web")
    web = probe.serving(name_of(web), port, 8000)
    _running(probe, project, "store")
    status, text = probe.reach(web, port, 8000)
    if status == 200 and "visitor number" in text and probe.get(port)[1] != text:
        return f"{web.name} and its store count the visitors at port {port}."
    own = probe.variables(web).get("STORE") in ("localhost", "127.0.0.1", "::1")
    raise Broken(
        f"http://127.0.0.1:{port}/ says {brief(text)!r}.",
        mistake="localhost-of-the-container" if own and "cannot be reached" in text else None,
    )


def patient(probe: Probe) -> str:
    """The impatient program runs and has never failed."""
    project = probe["PATIENT"]
    (once, *_) = _existing(probe, project, "once")
    stores = _running(probe, project, "store")
    if "sleep 3" not in " ".join(stores[0].attrs["Config"]["Cmd"] or []):
        raise NotYet(f"{stores[0].name} no longer waits three seconds before it starts.")
    again = once.attrs["RestartCount"] > 0
    failed = again or "Traceback" in probe.log(once)
    if once.status == "exited" and failed:
        only_started = "store:service_started" in once.labels.get(DEPENDS, "")
        raise NotYet(
            f"{once.name} gave up: nobody answered yet.",
            mistake="depends-on-does-not-wait" if only_started else None,
        )
    if failed:
        raise NotYet(
            f"{once.name} is {once.status}, and has failed before.",
            mistake="restarted-until-it-worked" if again else None,
        )
    probe.running(name_of(once))
    return f"{once.name} got its answer at the first attempt."


def fleet(probe: Probe) -> str:
    """Three containers run and answer, each at a port of its own."""
    project = probe["FLEET"]
    every = _existing(probe, project, "web")
    running = [each for each in every if each.status == "running"]
    if len(running) != 3:
        doors = [_wanted(each) for each in every]
        same = len(every) > 1 and len(set(doors)) == 1 and doors[0] not in ("", "0")
        raise NotYet(
            f"Of web in the project {project}, {_count(len(running))} running"
            + (f"; all {len(every)} ask for port {doors[0]}." if same else "."),
            mistake="one-port-for-many" if same else None,
        )
    for each in running:
        probe.must_be_from(each, "httpd:2.4")
        outside = sorted(port for ports in probe.doors(each).values() for port in ports)
        if not outside:
            raise NotYet(f"{each.name} publishes no port.")
        status, _ = probe.reach(each, outside[0], 80)
        if status != 200:
            raise Broken(f"{each.name} answers with status {status}.")
    return "Three containers of web answer, each at a port of its own."


def word(probe: Probe) -> str:
    """The reader's environment has the word."""
    project, wanted = probe["READER"], probe["TOKEN"]
    (reader, *_) = _running(probe, project, "reader")
    given = probe.variables(reader)
    code, text = probe.execute(reader, "cat", "/proc/1/environ")
    if code == 0:
        given |= dict(each.partition("=")[::2] for each in text.split("\0"))
    if given.get("WORD") == wanted:
        return f"In {reader.name}, WORD is {wanted}."
    if "WORD" in given:
        raise NotYet(f"In {reader.name}, WORD is {given['WORD']!r}.")
    try:
        filed = f"WORD={wanted}" in probe.file(".env")
    except NotYet:
        filed = False
    raise NotYet(
        f"The environment of {reader.name} has no WORD.",
        mistake="dotenv-is-for-the-file" if filed else None,
    )


def _wanted(container: Container) -> str:
    bindings = (container.attrs["HostConfig"]["PortBindings"] or {}).get("80/tcp") or [{}]
    return bindings[0].get("HostPort", "")


def _containers(probe: Probe, project: str, service: str | None = None) -> list[Container]:
    wanted = [f"{PROJECT}={project}"] + ([f"{SERVICE}={service}"] if service else [])
    found = probe.daemon.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)
    once = "com.docker.compose.oneoff"
    return sorted((each for each in found if each.labels.get(once) != "True"), key=name_of)


def _existing(probe: Probe, project: str, service: str) -> list[Container]:
    found = _containers(probe, project, service)
    if not found:
        raise NotYet(f"There is no container of a service {service} in the project {project}.")
    return found


def _running(probe: Probe, project: str, service: str) -> list[Container]:
    found = _existing(probe, project, service)
    running = [each for each in found if each.status == "running"]
    if not running:
        probe.running(name_of(found[0]))
    return running


def _count(number: int, verb: str = "is") -> str:
    if number == 1:
        return f"1 container {verb}".strip()
    return f"{number} containers {'are' if verb else ''}".strip()
