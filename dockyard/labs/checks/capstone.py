"""Lab 15: capstone. Asks the daemon in the container ``$BOAT``."""

from __future__ import annotations

import functools
import re

from docker.models.images import Image

from dockyard.exceptions import RegistryError
from dockyard.labs.inspection import MEGABYTE, is_anonymous
from dockyard.labs.probe import Probe
from dockyard.labs.verdict import Broken, NotYet
from dockyard.registry.api import Registry

OURS = ("web", "worker")
ALL = ("web", "worker", "store")

LISTING = """
containers=$(docker ps --all --quiet | xargs -r docker inspect)
networks=$(docker network ls --quiet | xargs -r docker network inspect)
printf '[%s,%s]' "${containers:-[]}" "${networks:-[]}"
"""
# The capabilities of a process, whether it may gain some, and how its root is mounted.
PROCESS = "cat /proc/{pid}/status; grep ' / ' /proc/{pid}/mounts"


def registry(probe: Probe) -> str:
    """The registry answers here and on the boat."""
    name, port = probe["REGISTRY"], probe["PORT"]
    container = probe.running(name)
    probe.must_publish(container, 5000, port)
    status, _ = probe.get(port, "/v2/")
    if status != 200:
        raise Broken(f"http://127.0.0.1:{port}/v2/ answers with status {status}.")
    networks = sorted(container.attrs["NetworkSettings"]["Networks"])
    if probe["QUAY"] not in networks:
        raise NotYet(
            f"{name} is on {' and '.join(networks) or 'no network'}, and the boat on "
            f"{probe['QUAY']}.",
            mistake="different-networks",
        )
    url = f"http://{name}:5000/v2/"
    if probe.execute(probe.boat(), "curl", "--silent", "--max-time", "5", url)[0]:
        raise Broken(f"On the boat, {url} does not answer.")
    return f"{name} answers at port {port} here, and under its name on the boat."


def built(probe: Probe) -> str:
    """The image holds the program, which takes its arguments."""
    image = _image(probe)
    config = image.attrs["Config"]
    entrypoint, command = config.get("Entrypoint") or [], config.get("Cmd") or []
    name = probe["SHOP"]
    program = any(word.endswith(".py") for word in command)
    if not entrypoint and program:
        raise NotYet(
            f"The image {name}:1 has its program as CMD, and no ENTRYPOINT.",
            mistake="arguments-replace-cmd",
        )
    code, text = probe.run(_reference(probe), "version")
    if code or "version" not in text:
        said = (text.strip().splitlines() or ["nothing"])[-1]
        raise Broken(f"Run with the argument version, {name}:1 says {said[:80]!r}.")
    return f"Run with the argument version, {name}:1 says {text.strip()[:40]!r}."


def user(probe: Probe) -> str:
    """The image's program does not run as root."""
    config = _image(probe).attrs["Config"]
    wanted = config.get("User") or ""
    program = "import os; print(os.getuid())"
    code, text = probe.run(_reference(probe), "-c", program, entrypoint=["python"])
    if code:
        raise Broken(f"{probe['SHOP']}:1 cannot be run as user {wanted or 'root'!r}.")
    if text.strip() == "0":
        lines = [str(step.get("CreatedBy", "")) for step in _image(probe).history()]
        earlier = any(re.search(r"\bUSER (?!root\b|0\b)\w", line) for line in lines)
        raise NotYet(
            f"The program in {probe['SHOP']}:1 runs as root.",
            mistake="user-at-build-time-only" if earlier else None,
        )
    return f"The program in {probe['SHOP']}:1 runs as user {text.strip()}."


def pushed(probe: Probe) -> str:
    """The registry has this very image."""
    image, name = _image(probe), probe["SHOP"]
    if _pushed(probe) not in _digests(image.attrs):
        raise NotYet(
            f"The registry has an image {name}:1, and the one here is another.",
            mistake="built-is-not-pushed",
        )
    return f"The registry has {name}:1, the image that is here."


def shipped(probe: Probe) -> str:
    """The boat has the image that was pushed."""
    reference = f"{probe['REGISTRY']}:5000/{probe['SHOP']}:1"
    image = probe.inspected(probe.boat(), "image", reference)
    if image is None:
        raise NotYet(f"The boat has no image {reference}.")
    if _pushed(probe) not in _digests(image) & _digests(_image(probe).attrs):
        raise NotYet(
            f"The boat's image {reference} is not the one that was pushed.", mistake="built-twice"
        )
    return f"The boat has {reference}, the image that was built here."


def up(probe: Probe) -> str:
    """Three containers run, two of them from the shipped image."""
    for service, image in (
        ("store", "redis:7"),
        *((each, f"{probe['REGISTRY']}:5000/{probe['SHOP']}:1") for each in OURS),
    ):
        container = _running(probe, service)
        used = container["Config"]["Image"]
        if used.removeprefix("docker.io/library/") != image:
            raise NotYet(f"On the boat, {service} is made from {used}.")
    command = _running(probe, "worker")["Config"]["Cmd"] or []
    if command != ["work"]:
        raise NotYet(f"On the boat, the worker's arguments are {' '.join(command) or 'none'!r}.")
    return "On the boat, web, worker and store are running."


def answers(probe: Probe) -> str:
    """The page counts the stories."""
    _page(probe)
    return "On the boat, the shop answers and counts its stories."


def healthy(probe: Probe) -> str:
    """The store's health check passes."""
    store = _running(probe, "store")
    health = store["State"].get("Health")
    if not health or not (store["Config"].get("Healthcheck") or {}).get("Test"):
        raise NotYet("On the boat, nobody asks the store whether it is well.")
    if health["Status"] != "healthy":
        raise NotYet(f"On the boat, the store is {health['Status']}.")
    return "On the boat, the store is healthy."


def remembers(probe: Probe) -> str:
    """The store's data is in a volume with a name."""
    mounts = {mount["Destination"]: mount for mount in _running(probe, "store")["Mounts"]}
    mount = mounts.get("/data")
    if mount is None:
        raise NotYet("On the boat, the store keeps its data in its own layer.")
    if mount["Type"] == "volume" and is_anonymous(mount["Name"]):
        raise NotYet(
            "On the boat, the store keeps its data in a volume without a name.",
            mistake="anonymous-volume",
        )
    if mount["Type"] == "tmpfs":
        raise NotYet("On the boat, the store keeps its data in memory.")
    return f"On the boat, the store keeps its data in {mount.get('Name') or mount['Source']}."


def inside(probe: Probe) -> str:
    """Store and worker are on internal networks only, and the store publishes no port."""
    doors = [each for each in _running(probe, "store")["NetworkSettings"]["Ports"].values() if each]
    if doors:
        raise NotYet(
            f"On the boat, the store is published at port {doors[0][0]['HostPort']}.",
            mistake="store-for-everybody",
        )
    internal = {each["Name"] for each in _listing(probe)[1] if each["Internal"]}
    for service in ("store", "worker"):
        networks = set(_running(probe, service)["NetworkSettings"]["Networks"])
        if outside := sorted(networks - internal - {"none"}):
            raise NotYet(f"On the boat, {service} is on {outside[0]}, which leads outside.")
    _page(probe)
    return (
        "On the boat, the store is published nowhere, and store and worker reach nothing outside."
    )


def read_only(probe: Probe) -> str:
    """The root file systems are read-only."""
    for service in OURS:
        *_, root = _process(probe, service).strip().splitlines()
        if "ro" not in root.split()[3].split(","):
            raise NotYet(f"On the boat, {service} can write to its own file system.")
    return "On the boat, web and worker cannot write to their file systems."


def powerless(probe: Probe) -> str:
    """No capability is left, and none can be gained."""
    for service in OURS:
        status = dict(re.findall(r"^(\w+):\s*(\S+)", _process(probe, service), re.MULTILINE))
        if int(status["CapBnd"], 16):
            ours = _running(probe, service)["Config"]["User"] not in ("", "0", "root")
            raise NotYet(
                f"On the boat, a program in {service} could still have capabilities of root.",
                mistake="not-root-is-not-powerless" if ours else None,
            )
        if status.get("NoNewPrivs") != "1":
            raise NotYet(f"On the boat, a program that {service} starts may gain new rights.")
    return "On the boat, web and worker have no capabilities and cannot gain any."


def limits(probe: Probe) -> str:
    """Memory and processes are limited."""
    for service in OURS:
        host = _running(probe, service)["HostConfig"]
        memory, processes = host["Memory"] or 0, host["PidsLimit"] or 0
        if not 0 < memory <= 128 * MEGABYTE:
            amount = f"{memory // MEGABYTE} MB" if memory else "no limit"
            raise NotYet(f"On the boat, {service} has {amount} of memory.")
        if not 0 < processes <= 100:
            amount = f"a limit of {processes}" if processes > 0 else "no limit"
            raise NotYet(f"On the boat, {service} has {amount} of processes.")
    return "On the boat, web and worker have limits of memory and of processes."


def comes_back(probe: Probe) -> str:
    """All three have a restart policy."""
    policies = {each: _running(probe, each)["HostConfig"]["RestartPolicy"]["Name"] for each in ALL}
    left = [each for each, policy in policies.items() if policy not in ("always", "unless-stopped")]
    if left:
        raise NotYet(
            f"On the boat, nobody starts {' and '.join(left)} again.",
            mistake="one-left-behind" if len(left) == 1 else None,
        )
    return "On the boat, web, worker and store are started again by the daemon."


def ordered(probe: Probe) -> str:
    """The story was written by the worker, and is counted."""
    page, word = _page(probe), probe["TOKEN"]
    code, log = probe.execute(probe.boat(), "docker", "logs", _worker_name(probe))
    if code or f"wrote: {word}" not in log:
        raise NotYet(f"On the boat, no worker has written {word}; the shop says {page!r}.")
    if not _number(page):
        raise Broken(f"The worker has written {word}, and the shop says {page!r}.")
    return f"The worker on the boat has written {word}."


def _worker_name(probe: Probe) -> str:
    try:
        return _running(probe, "worker")["Name"].lstrip("/")
    except NotYet as found:
        raise NotYet(found.saw, mistake="worker-not-at-work") from None


def _page(probe: Probe) -> str:
    web = _running(probe, "web")
    url = "http://localhost:8000/"
    code, text = probe.execute(
        probe.boat(), "curl", "--silent", "--max-time", "5", "--retry", "5", "--retry-delay", "1",
        "--retry-connrefused", url,
    )  # fmt: skip
    if code:
        open_ = [f"{port} at {each[0]['HostPort']}" for port, each in _doors(web) if each]
        doors = f"publishes {', '.join(open_)}" if open_ else "publishes nothing"
        raise NotYet(f"On the boat, {url} does not answer; web {doors}.")
    text = text.strip()[:80]
    if _number(text) is None:
        own = any(
            each in ("STORE=localhost", "STORE=127.0.0.1") for each in web["Config"]["Env"] or []
        )
        raise Broken(
            f"On the boat, {url} says {text!r}.",
            mistake="localhost-of-the-container" if own else None,
        )
    return text


def _doors(container: dict) -> list:
    return list((container["NetworkSettings"]["Ports"] or {}).items())


def _number(text: str) -> int | None:
    found = re.search(r"written: (\d+)", text)
    return int(found[1]) if found else None


@functools.lru_cache(maxsize=1)
def _listing(probe: Probe) -> tuple[list[dict], list[dict]]:
    """The boat's containers and networks, inspected once for all checks of a probe."""
    containers, networks = probe.document(probe.boat(), "sh", "-c", LISTING)
    return containers, networks


def _running(probe: Probe, service: str) -> dict:
    """The boat's container with this name or of this Compose service, as inspected."""
    found = [
        each
        for each in _listing(probe)[0]
        if each["Name"] == f"/{service}"
        or (each["Config"]["Labels"] or {}).get("com.docker.compose.service") == service
    ]
    if not found:
        raise NotYet(f"On the boat, there is no container {service}.")
    running = [each for each in found if each["State"]["Status"] == "running"]
    if not running:
        state = found[0]["State"]
        raise NotYet(
            f"On the boat, {service} is {state['Status']}, with exit code {state['ExitCode']}."
        )
    return running[0]


def _process(probe: Probe, service: str) -> str:
    """The kernel's view of a container's first process (proc_pid_status(5), mounts)."""
    pid = _running(probe, service)["State"]["Pid"]
    code, text = probe.execute(probe.boat(), "sh", "-c", PROCESS.format(pid=int(pid)))
    if code:
        raise Broken(f"On the boat, {service} has just ended.")
    return text


def _reference(probe: Probe) -> str:
    return f"127.0.0.1:{probe['PORT']}/{probe['SHOP']}:1"


def _image(probe: Probe) -> Image:
    return probe.image(_reference(probe))


def _pushed(probe: Probe) -> str:
    """The digest of the image in the registry."""
    probe.get(probe["PORT"], "/v2/")
    try:
        found = Registry(f"http://127.0.0.1:{probe['PORT']}").manifest(probe["SHOP"], "1")
    except RegistryError as error:
        raise Broken(error.what) from None
    if found is None:
        raise NotYet(f"The registry has no image {probe['SHOP']}:1.")
    return found.digest


def _digests(attributes: dict) -> set[str]:
    return {each.partition("@")[2] for each in attributes.get("RepoDigests") or []}
