"""Starts, uses and stops the embedded engine while a client fetches from another dockerd's port.

Run in a network namespace of its own: ``unshare --net python -m
tests.engine.beside_another_dockerd ARCHIVE FOLDER``. ARCHIVE has the image busybox. Prints what
was seen as JSON.
"""

import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import docker

from dockyard.core import wait
from dockyard.engine import engine_root, netfilter
from dockyard.engine.base import answers
from dockyard.engine.embedded import EmbeddedEngine

BRIDGE, HOST, PORT = "other0", "10.99.0.1", 8080


def other_dockerd(folder: Path) -> subprocess.Popen[bytes]:
    """A dockerd whose published ports depend on its iptables rules alone."""
    netfilter.make_bridge(BRIDGE, f"{HOST}/24")
    (folder / "daemon.json").write_text("{}")
    return subprocess.Popen(
        engine_root.command(
            engine_root.folder(), "dockerd", f"--config-file={folder}/daemon.json",
            f"--data-root={folder}/data", f"--exec-root={folder}/exec",
            f"--pidfile={folder}/pid", f"--host=unix://{folder}/socket",
            f"--bridge={BRIDGE}", "--userland-proxy=false",
        ),
        stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT,
    )  # fmt: skip


def serve(client: docker.DockerClient, archive: Path, port: int) -> None:
    client.images.load(archive.read_bytes())
    client.containers.run("busybox", "httpd -f -h /etc", detach=True, ports={"80/tcp": port})


def fetch(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{port}/passwd", timeout=5) as it:
        return it.read().startswith(b"root:")
    return False


def foreign_rules(prefix: str) -> list[str]:
    """All rules, chains and policies but those of one prefix, without counters."""
    saved = "".join(netfilter.run(f"{family}-save") for family in netfilter.FAMILIES)
    lines = [re.sub(r" \[\d+:\d+\]", "", line) for line in saved.splitlines()]
    # The kernel makes a table with its built-in chains when it is first used.
    told = [line for line in lines if line[:1] in (":", "-") and not line.endswith(" ACCEPT")]
    return sorted(line for line in told if prefix not in line)


def main(archive: Path, folder: Path) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    other = other_dockerd(folder)
    engine = EmbeddedEngine()
    seen = {"requests": 0, "failed": 0}
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            seen["requests"] += 1
            seen["failed"] += not fetch(PORT)

    try:
        wait.until("the other dockerd", lambda: answers(folder / "socket"), 60, log=folder / "log")
        with closing(docker.DockerClient(f"unix://{folder}/socket")) as client:
            serve(client, archive, PORT)
        wait.until("the other's port", lambda: fetch(PORT), 30)
        before = foreign_rules(engine.bridge)
        asking = threading.Thread(target=ask)
        asking.start()
        with closing(docker.DockerClient(engine.start(print_progress).address)) as client:
            serve(client, archive, PORT + 1)
            client.networks.create("own")
            wait.until("our port", lambda: fetch(PORT + 1), 30)
            seen["same_while_running"] = foreign_rules(engine.bridge) == before
            for container in client.containers.list(all=True):
                container.remove(force=True)
            client.networks.prune()
        engine.stop(print_progress)
        over.set()
        asking.join()
        seen["same_afterwards"] = foreign_rules("no prefix") == before
    finally:
        over.set()
        engine.stop(print_progress)
        other.terminate()
        other.wait(timeout=60)
    print(json.dumps(seen))


def print_progress(text: str) -> None:
    print(f"{time.monotonic():.1f} {text}", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
