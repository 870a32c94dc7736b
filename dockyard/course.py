"""Starts, finds and stops the course: registry, engine and front door together."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from dockyard import exceptions
from dockyard.core import docker_client, paths, ports, wait, whole_file
from dockyard.core.console import Say
from dockyard.core.process import Lock, Service
from dockyard.engine import base, providers
from dockyard.engine.base import MIRROR_PORT, Endpoint, Engine

# Functions import the registry and the Docker SDK where they use them: most commands only ask
# whether the course runs, and importing both takes a quarter of a second.
if TYPE_CHECKING:
    import docker

    from dockyard.registry import Registry

FRONT_DOOR = Service("frontdoor")
DEFAULT_POOL = IPv4Network("172.16.0.0/12")
"""Where Docker first chooses the addresses of its networks, docker0 included, by default."""

INNER_POOL = "198.18.0.0/16"
"""For tests of network devices (RFC 2544), so no network around has these addresses."""


@dataclass(frozen=True)
class State:
    """What later commands need to know about the course that runs in this home."""

    engine: str
    mirror: str = ""
    inner_mirror: str = ""
    endpoint: dict[str, str] = field(default_factory=dict)
    stand_in: bool = False
    """Whether the front door answers pulls of the course's images instead of Docker Hub."""
    buildkit: bool = True
    """Whether the daemon has BuildKit; Podman only has the classic ``POST /build``."""

    @classmethod
    def load(cls) -> State | None:
        """The state saved by the last start, or None."""
        try:
            return msgspec.json.decode(_state_file().read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError, RecursionError):
            return None

    def save(self) -> None:
        """Write the state file; a reader sees either the old or the new content."""
        whole_file.write(_state_file(), (json.dumps(asdict(self), indent=1) + "\n").encode())


def _state_file() -> Path:
    return paths.home() / "course.json"


def prepare_home() -> None:
    """Create the home's folders. Raises UnwritableFolder."""
    try:
        paths.logs().mkdir(parents=True, exist_ok=True)
        # Of a name of its own: JupyterLab and the engine prepare the home at the same time.
        tempfile.NamedTemporaryFile(dir=paths.home()).close()
    except OSError as error:
        raise exceptions.UnwritableFolder(paths.home(), f"{error.strerror}.") from None


def start(choice: str, say: Say) -> State:
    """Start what is not running yet; choice is a provider's name or ``auto``.

    When two commands start the course at once, one waits for the other. Raises EngineError,
    SetupError or Busy.
    """
    prepare_home()
    with Lock("course", timeout=300):
        running = State.load()
        if running and not running.endpoint:
            say("stopping the engine, which an earlier release has started")
            _stop(say)
            choice = _same_engine(running, choice) if choice == "auto" else choice
        elif running and choice in ("auto", running.engine):
            gone = missing_part()
            if gone == CONTAINERD and not _containerd_comes_back(say):
                _stop(say)
            elif gone in (None, CONTAINERD, REGISTRY):
                return running  # fill() starts the registry
            else:
                say(f"{gone} is gone; starting it again")
                choice = _same_engine(running, choice)
        elif running and answers():
            say(f"stopping the {running.engine} engine, as {choice} was asked for")
            _stop(say)
        engine = providers.choose(choice)
        try:
            return _start(engine, say)
        except BaseException:
            # Otherwise a registry would keep running without an engine.
            _stop(say)
            raise


def _start(engine: Engine, say: Say) -> State:
    from dockyard import registry
    from dockyard.engine import client_programs, discovery

    say(f"engine: {engine.title}")
    began = time.monotonic()
    mirror = registry.start(say).url if engine.private else ""
    endpoint = engine.start(say, mirror=mirror or None)
    inner, options = _forwarding(engine.bridge_gateway, mirror)
    _open_front_door(endpoint, *options)
    inner = inner or (engine.inner_mirror if mirror else "")
    state = State(engine.name, mirror, inner, asdict(endpoint))
    state.save()  # before anything else can fail, so that stop() finds it
    found = _check_version()
    if discovery.product(found) == "Podman":
        state = replace(state, buildkit=False)
        state.save()
    client_programs.ensure(say, engine.client_root(say))
    docker_client.write_config()
    say(f"the daemon answers ({time.monotonic() - began:.1f} s)")
    return state


def _open_front_door(endpoint: Endpoint, *options: str) -> None:
    """Start the proxy in front of a daemon, or restart it with other options."""
    argv: list[str | Path] = [
        sys.executable, "-m", "dockyard.proxy",
        "--listen", paths.front_door(),
        "--upstream", endpoint.address,
        "--records", paths.records_socket(),
        *options,
    ]  # fmt: skip
    if endpoint.tls_cert:
        argv += ["--tlscacert", endpoint.tls_ca, "--tlscert", endpoint.tls_cert]
        argv += ["--tlskey", endpoint.tls_key]
    FRONT_DOOR.stop(given=("--listen", str(paths.front_door())))
    FRONT_DOOR.start(argv)
    again = f"Read {FRONT_DOOR.log}, then:  python3 -m dockyard engine start"
    wait.until(
        "the front door to answer",
        lambda: (
            answers()
            or FRONT_DOOR.raise_if_ended(exceptions.EngineStartFailed, "The front door", again)
        ),
        timeout=30,
        log=FRONT_DOOR.log,
        error=exceptions.EngineStartTimeout,
        next=again,
    )


def _forwarding(gateway: str | None, mirror: str) -> tuple[str, list[str]]:
    """The registry's address for containers, and the front door's options to forward it."""
    if not (gateway and mirror):
        return "", []
    inner = f"{gateway}:{MIRROR_PORT}"
    return f"http://{inner}", ["--forward", f"{inner}={mirror.removeprefix('http://')}"]


def answers() -> bool:
    """Whether the daemon answers through the front door."""
    return FRONT_DOOR.process() is not None and base.answers(paths.front_door())


FRONT, DAEMON = "The course's front door", "The Docker daemon of the course"
CONTAINERD = "The containerd of the course's Docker daemon"
REGISTRY = "The course registry"


def missing_part() -> str | None:
    """The first part of the course that should run and does not; None when all do, or none should.

    A part that has ended is noticed at once. ``engine start`` brings each of them back.
    """
    state = State.load()
    if state is None:
        return None
    if FRONT_DOOR.process() is None:
        return FRONT
    if not base.answers(paths.front_door()):
        # A killed process closes its sockets before it counts as ended.
        return FRONT if base.refuses(paths.front_door()) else DAEMON
    if state.mirror and base.lacks_containerd(paths.front_door()):
        return CONTAINERD
    if state.mirror and not _is_listening(state.mirror):
        return REGISTRY
    return None


def raise_if_broken() -> None:
    """Raise EngineNotRunning, with the part that is gone, unless everything runs."""
    if State.load() is None:
        raise exceptions.EngineNotRunning()
    if gone := missing_part():
        raise exceptions.EngineNotRunning(f"{gone} is gone.")


def _same_engine(ran: State, choice: str) -> str:
    """The engine that ran, which has the learner's containers, if it can run; else choice."""
    # An engine that only tests know may have been running.
    with suppress(exceptions.UsageError):
        engine = providers.named(ran.engine)
        if engine.endpoint() or not engine.unmet():
            return ran.engine
    return choice


def _is_listening(address: str) -> bool:
    found = urlsplit(address)
    with suppress(OSError), socket.create_connection((found.hostname, found.port), timeout=1):
        return True
    return False


def _containerd_comes_back(say: Say) -> bool:
    """Wait for the containerd that the daemon starts again by itself, with its containers."""
    say(f"{CONTAINERD} is gone; waiting until the daemon has started it again")
    return wait.within(20, lambda: not base.lacks_containerd(paths.front_door()), 0.2)


def _check_version() -> dict[str, Any]:
    with closing(docker_client.connect()) as daemon:
        found = daemon.version()
    if not base.is_new_enough(found["ApiVersion"]):
        needed = ".".join(map(str, base.MINIMUM_API))
        raise exceptions.EngineTooOld(
            f"The daemon is too old: version {found['Version']}, API {found['ApiVersion']}.",
            f"The lessons need API {needed} (Docker 20.10) or newer.",
            "Let the course start a newer one:  python3 -m dockyard learn --engine embedded",
        )
    return found


def fill(say: Say, *, source: str = "auto") -> None:
    """Make the lessons' images available: in the registry, and on a learner's own engine.

    An image can be used as soon as it is stored, while the others are still being made. The
    guestbook's wheels are downloaded meanwhile. With a learner's own engine the registry is only
    started here. source says where images come from, unless ``DOCKYARD_SOURCE`` does: see
    registry.fill(). Raises EngineNotRunning, RegistryError or SetupError.
    """
    from dockyard import registry

    state = State.load()
    if state is None:
        raise exceptions.EngineNotRunning()
    with closing(docker_client.connect(timeout=600)) as daemon, _wheels(say):
        server = registry.start(say, client=daemon)

        def bring(image: registry.Image) -> None:
            if not state.mirror:
                registry.pull_into(server, daemon, say, [image.reference])

        registry.fill(server, daemon, say, registry.source(source), stored=bring)
        if not state.mirror:
            _replace_hub(state, server, daemon, say)


@contextmanager
def _wheels(say: Say) -> Iterator[None]:
    """Download the guestbook's wheels in the background; a failure is said, not raised."""
    from dockyard.core import wheelhouse

    def fetch() -> None:
        try:
            wheelhouse.fetch(say)
        except exceptions.DockyardError as error:
            say(f"{error.what} {error.why[:200]}")

    thread = threading.Thread(target=fetch)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _replace_hub(state: State, server: Registry, daemon: docker.DockerClient, say: Say) -> None:
    """Replace the registry mirror, which cannot be configured on a learner's own daemon.

    Containers reach the course registry at the gateway of the default bridge, if daemon and front
    door run on the same host. Without Docker Hub, the front door answers pulls of course images.
    """
    from dockyard import registry

    inner, options = _forwarding(_own_gateway(state, daemon), server.url)
    stand_in = not registry.hub_answers()
    changed = replace(state, inner_mirror=inner, stand_in=stand_in)
    if changed == state:
        return
    if stand_in:
        say("Docker Hub does not answer; docker pull finds the course's images all the same")
        for image in registry.references():
            options += ["--hub-fallback", image]
    _open_front_door(Endpoint(**state.endpoint), *options)
    changed.save()


def _own_gateway(state: State, daemon: docker.DockerClient) -> str | None:
    """The default bridge's gateway, if it is an address of this host; else None."""
    import docker

    if not state.endpoint["address"].startswith("unix://"):
        return None
    with suppress(docker.errors.APIError, LookupError, TypeError, ValueError):
        found = daemon.networks.get("bridge").attrs["IPAM"]["Config"][0]
        address = found.get("Gateway") or str(next(IPv4Network(found["Subnet"]).hosts()))
        if state.inner_mirror or ports.is_free(MIRROR_PORT, address):
            return address
    return None


def stop(say: Say) -> None:
    """Stop front door, engine and registry; harmless when they are stopped already.

    Raises Busy when another command has been starting or stopping for five minutes.
    """
    with Lock("course", timeout=300):
        _stop(say)


def _stop(say: Say) -> None:
    from dockyard import registry

    if registry.in_container() and answers():
        with closing(docker_client.connect()) as daemon:
            registry.stop(client=daemon)
    FRONT_DOOR.stop(given=("--listen", str(paths.front_door())))
    # All engines, because the state file may be missing after a crash.
    for provider in providers.every():
        provider.engine().stop(say)
    registry.stop()
    _state_file().unlink(missing_ok=True)


def status() -> dict[str, Any]:
    """What is running: engine, versions, front door's address, registry; for ``--json``."""
    state = State.load()
    gone = missing_part()
    report = {
        "running": state is not None and gone is None,
        "gone": gone,
        "engine": state.engine if state else None,
        "home": str(paths.home()),
        "docker_host": f"unix://{paths.front_door()}",
        "registry": state.mirror if state else None,
        "remark": _remark(state.engine) if state else "",
        "version": None,
        "api_version": None,
    }
    if report["running"]:
        with closing(docker_client.connect()) as daemon:
            version = daemon.version()
        report |= {"version": version["Version"], "api_version": version["ApiVersion"]}
    return report


def _remark(engine: str) -> str:
    # An engine that only tests know may be running.
    with suppress(exceptions.UsageError):
        return providers.named(engine).remark()
    return ""


def environment(lesson: str | None = None) -> dict[str, str]:
    """The variables with which a shell or kernel uses this course, besides docker_client.UNSET."""
    state = State.load()
    inner = state.inner_mirror if state else ""
    return docker_client.environment(lesson) | {
        "DOCKYARD_MIRROR": _inner_options(inner) if inner else "",
        # The folder of a lesson is inside the course's own clone, which is not what is built.
        "BUILDX_GIT_INFO": "false",
        "DOCKER_BUILDKIT": "0" if state and not state.buildkit else "1",
        # Without it, docker compose watch keeps its locks in the learner's own ~/.docker.
        "XDG_RUNTIME_DIR": _runtime_folder(),
    }


def _runtime_folder() -> str:
    """The folder for what programs keep while they run; the course's own where there is none."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and os.path.isdir(given):
        return given
    folder = paths.run_dir() / "client"
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)


def _inner_options(mirror: str) -> str:
    """The options with which an engine inside a container finds the course's images."""
    options = [f"--registry-mirror={mirror}"]
    address = IPv4Address(urlsplit(mirror).hostname or "")
    if address in DEFAULT_POOL:
        # The engine inside could give the very address, such as 172.17.0.1, to its own bridge.
        options.append(f"--default-address-pool=base={INNER_POOL},size=24")
    return " ".join(options)


def whole_environment() -> dict[str, str]:
    """This process's environment, changed to use the course: for JupyterLab, kernels and tests."""
    kept = {name: value for name, value in os.environ.items() if name not in docker_client.UNSET}
    return kept | environment()
