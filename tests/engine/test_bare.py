"""A learner's own Docker with Docker's default addresses, apart from every other daemon."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import docker
import psutil
import pytest

from dockyard.core import paths, wait
from dockyard.engine import base, netfilter
from dockyard.exceptions import DockyardError
from tests.engines.bare import TodaysEngine

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="this engine is started as root"),
]


def outside():
    """What another daemon of this host would notice."""
    rules = netfilter.run("iptables-save")
    return (
        os.readlink("/proc/thread-self/ns/net"),
        sorted(path.parent.name for path in Path("/sys/class/net").glob("*/bridge")),
        [line for line in rules.splitlines() if line.startswith("-A")],
    )


def processes():
    mark = str(paths.run_dir())
    found = psutil.process_iter(["cmdline"])
    return [each.pid for each in found if mark in " ".join(each.info["cmdline"] or [])]


def test_it_has_dockers_own_addresses_and_nothing_outside_its_namespace_changes(home):
    before = outside()
    engine = TodaysEngine()
    try:
        with closing(docker.DockerClient(base_url=engine.start(print).address)) as client:
            (default,) = client.networks.get("bridge").attrs["IPAM"]["Config"]
            own = client.networks.create("own").attrs["IPAM"]["Config"]
            assert client.info()["Driver"] == "overlayfs"
            with pytest.raises(docker.errors.APIError):
                client.images.pull("hello-world", "latest")
        assert (default["Gateway"], own[0]["Subnet"]) == ("172.17.0.1", "172.18.0.0/16")
        assert outside() != before
    finally:
        engine.stop(print)
    assert outside() == before
    assert processes() == []
    assert not engine.socket.exists()


ENDLESS = """
import time
from tests.engines.bare import TodaysEngine
TodaysEngine().start(print)
print("started", flush=True)
time.sleep(1000)
"""


def test_it_ends_with_the_process_that_started_it(home):
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], cwd=paths.CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout.readline() == "started\n"
        assert base.answers(TodaysEngine().socket)
        starter.send_signal(signal.SIGKILL)
    wait.until("dockerd to end", lambda: not processes(), timeout=60, error=DockyardError)
