"""The embedded engine, and dockerd of the same version and of 20.10 started bare, as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import docker

from benchmarks.sides import Pair, in_turn
from dockyard.core import docker_client, wait
from dockyard.engine import engine_root, netfilter
from dockyard.engine.base import answers
from dockyard.engine.embedded import EmbeddedEngine
from tests.engines.bare import OldestEngine

GOAL = 1.1
STARTS, RUNS = 9, 30
RUN = ("run", "--rm", "busybox", "true")
PUBLISH = ("run", "--rm", "--publish", "80", "busybox", "true")


def bare_dockerd(root: Path, folder: Path, *, container_store: bool) -> list[str | Path]:
    """The command of a dockerd with Docker's default settings and all its data in folder.

    In its own network namespace, so that it leaves no bridge and no rules behind.
    """
    (folder / "daemon.json").write_text("{}")
    words = engine_root.command(
        root,
        "dockerd",
        f"--config-file={folder / 'daemon.json'}",
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'pid'}",
        f"--host=unix://{folder / 'socket'}",
        *(["--feature=containerd-snapshotter=true"] if container_store else []),
    )
    return [words[0], "--net", *words[1:]]


@contextmanager
def bare(root: Path, *, container_store: bool = True) -> Iterator[Path]:
    """The socket of a bare dockerd."""
    with tempfile.TemporaryDirectory(prefix="bare-", dir="/tmp") as made:
        folder = Path(made)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                bare_dockerd(root, folder, container_store=container_store), stdout=log, stderr=log
            )
        try:
            socket = folder / "socket"
            wait.until("the bare dockerd", lambda: answers(socket), 120, log=folder / "log")
            yield socket
        finally:
            process.terminate()
            process.wait(timeout=120)


@contextmanager
def embedded() -> Iterator[Path]:
    """The socket of an embedded engine with an empty home."""
    shared = engine_root.fetch(print).parent
    before = os.environ.get("DOCKYARD_HOME")
    with tempfile.TemporaryDirectory(prefix="dockyard-") as home:
        (Path(home) / shared.name).symlink_to(shared)
        os.environ["DOCKYARD_HOME"] = home
        engine = EmbeddedEngine()
        try:
            engine.start(lambda text: None)
            yield engine.socket
        finally:
            engine.stop(lambda text: None)
            shutil.rmtree(engine.data, ignore_errors=True)
            os.environ.pop("DOCKYARD_HOME")
            if before is not None:
                os.environ["DOCKYARD_HOME"] = before


def measure() -> Iterator[Pair]:
    """Starting, and running a container without and with a published port."""
    root = engine_root.fetch(print)
    with closing(docker_client.connect()) as client:
        client.images.pull("busybox", "latest")
        image = b"".join(client.api.get_image("busybox:latest"))
    netfilter.kind()  # asked once in each process
    yield in_turn(
        "the embedded engine until it answers / dockerd started bare",
        lambda: _start(embedded()),
        lambda: _start(bare(root)),
        STARTS,
        GOAL,
    )
    oldest = OldestEngine()._programs(print)
    with ExitStack() as running:
        sockets = {
            name: running.enter_context(side)
            for name, side in (
                ("embedded", embedded()),
                ("bare", bare(root)),
                ("20.10", bare(oldest, container_store=False)),
            )
        }
        for socket in sockets.values():
            with closing(docker.DockerClient(base_url=f"unix://{socket}")) as client:
                client.images.load(image)
        for words, what in ((RUN, ""), (PUBLISH, " with a published port")):
            yield _run(
                words, f"`docker run`{what} on it / on dockerd started bare", sockets, "bare"
            )
        yield _run(RUN, "`docker run` on it / on Docker 20.10 started bare", sockets, "20.10", 1.0)


def _start(side: AbstractContextManager[Path]) -> float:
    began = time.perf_counter()
    with side:
        return time.perf_counter() - began


def _run(
    words: Sequence[str], name: str, sockets: dict[str, Path], other: str, goal: float = GOAL
) -> Pair:
    def on(socket: Path) -> float:
        program = str(engine_root.folder() / "bin/docker")
        began = time.perf_counter()
        subprocess.run([program, f"--host=unix://{socket}", *words], check=True)
        return time.perf_counter() - began

    return in_turn(name, lambda: on(sockets["embedded"]), lambda: on(sockets[other]), RUNS, goal)
