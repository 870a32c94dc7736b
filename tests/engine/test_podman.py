"""Podman's Docker-compatible socket, stopped without a trace."""

import os

import pytest

from dockyard.engine import netfilter
from tests.engines.podman import PodmanEngine
from tests.support.engines import host_bridges, left_by, use

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="this engine is started as root"),
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    made = tmp_path / "home"
    made.mkdir()
    monkeypatch.setenv("DOCKYARD_HOME", str(made))
    return made


def test_it_answers_as_docker_does_and_leaves_nothing(mirror, home):
    before = set(host_bridges())
    chains = "NETAVARK" in netfilter.run("iptables-save")
    engine = PodmanEngine()
    try:
        version = use(engine.start(print, mirror=mirror).address)
        assert any("Podman" in part["Name"] for part in version["Components"])
        new = host_bridges().keys() - before
        bridges = {name for name in new if name.startswith(("podman", engine.bridge))}
        assert bridges
        assert left_by(engine, bridges)
        address = engine.bridge_gateway
        assert f" {address}/32 " in netfilter.run("ip", "address", "show", "dev", "lo")
    finally:
        engine.stop(print)
    assert left_by(engine, bridges) == []
    assert f" {address}/32 " not in netfilter.run("ip", "address", "show", "dev", "lo")
    assert ("NETAVARK" in netfilter.run("iptables-save")) == chains
