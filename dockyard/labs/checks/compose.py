"""Lab 07: Compose."""

from __future__ import annotations

from docker.models.containers import Container

from dockyard.labs.inspection import is_anonymous, name_of
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"


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
    """The counter counts, and its number is in a volume with a name."""
    project = probe["KEEPER"]
    (store, *_) = _running(probe, project, "store")
    volumes = {
        mount["Destination"]: mount["Name"]
        for mount in store.attrs["Mounts"]
        if mount["Type"] == "volume"
    }
    named = {path: name for path, name in volumes.items() if not is_anonymous(name)}
    kept = named.get("/data")
    if kept is None and named:
        path, name = next(iter(named.items()))
        raise NotYet(
            f"{store.name} has the volume {name} at {path}, and writes to /data.",
            mistake="volume-at-another-path",
        )
    if kept is None:
        raise NotYet(
            f"{store.name} keeps its data in a volume without a name.", mistake="anonymous-volume"
        )
    if kept not in (f"{project}_visits", "visits"):
        raise NotYet(f"{store.name} keeps its data in a volume called {kept}.")
    return f"{_counts(probe, project, probe['KEEPER_PORT'])} The number is kept in {kept}."


def _counts(probe: Probe, project: str, port: str) -> str:
    (web, *_) = _running(probe, project, "web")
    _running(probe, project, "store")
    bindings = web.attrs["HostConfig"]["PortBindings"] or {}
    if f"{port}/tcp" in bindings:
        raise NotYet(f"{web.name} publishes port {port} of the container.", mistake="port-reversed")
    probe.must_publish(web, 8000, port)
    own = probe.variables(web).get("STORE") in ("localhost", "127.0.0.1", "::1")
    # A server that looks for its store in the wrong place never finds it.
    status, text = probe.get(port, patience=3 if own else 10)
    if status == 200 and "visitor number" in text:
        return f"{web.name} and its store count the visitors at port {port}."
    said = f"http://127.0.0.1:{port}/ says {text.strip()[:80]!r}."
    raise Broken(said, mistake="localhost-of-the-container" if own else None)


def patient(probe: Probe) -> str:
    """The impatient program runs and has never failed."""
    project = probe["PATIENT"]
    (once, *_) = _existing(probe, project, "once")
    stores = _running(probe, project, "store")
    if "sleep 3" not in " ".join(stores[0].attrs["Config"]["Cmd"] or []):
        raise NotYet(f"{stores[0].name} no longer waits three seconds before it starts.")
    failed = once.attrs["RestartCount"] > 0 or "Traceback" in probe.log(once)
    if once.status == "exited" and failed:
        waits = "service_healthy" in once.labels.get("com.docker.compose.depends_on", "")
        raise NotYet(
            f"{once.name} gave up: nobody answered yet.",
            mistake=None if waits else "depends-on-does-not-wait",
        )
    if once.status != "running" and not failed:
        raise NotYet(f"{once.name} is {once.status}.")
    if failed:
        raise NotYet(
            f"{once.name} is {once.status}, and has failed before.",
            mistake="restarted-until-it-worked",
        )
    return f"{once.name} got its answer at the first attempt."


def fleet(probe: Probe) -> str:
    """Three containers run and answer, each at a port of its own."""
    project = probe["FLEET"]
    every = _containers(probe, project, "web")
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
        ports = probe.published(each, 80)
        if not ports:
            raise NotYet(f"Port 80 of {each.name} is not published.")
        status, _ = probe.get(ports[0])
        if status != 200:
            raise Broken(f"{each.name} answers with status {status}.")
    return "Three containers of web answer, each at a port of its own."


def word(probe: Probe) -> str:
    """The reader's environment has the word."""
    project, wanted = probe["READER"], f"WORD={probe['TOKEN']}"
    (reader, *_) = _running(probe, project, "reader")
    _, text = probe.execute(reader, "env")
    has = next((line for line in text.splitlines() if line.startswith("WORD=")), None)
    if has == wanted:
        return f"In {reader.name}, WORD is {probe['TOKEN']}."
    if has is not None:
        raise NotYet(f"In {reader.name}, WORD is {has.partition('=')[2]!r}.")
    try:
        filed = wanted in probe.file(".env")
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
        raise NotYet(f"The project {project} has no container of a service {service}.")
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
