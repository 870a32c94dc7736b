"""The engines for comparison: started beside this system's, stopped without a trace."""

import io
import os
import tarfile
from contextlib import closing
from pathlib import Path

import docker
import psutil
import pytest

from dockyard import course
from dockyard.core import paths
from dockyard.engine import netfilter, providers
from dockyard.engine.docker_26 import NewerEngine
from dockyard.engine.podman import PodmanEngine
from dockyard.exceptions import UsageError
from dockyard.views import layers_facts
from dockyard.views.layers_read import as_file

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="these engines are started as root"),
]


@pytest.fixture
def mirror():
    state = course.State.load()
    if state is None or not state.mirror:
        pytest.skip("needs the course registry:  python3 -m dockyard engine start")
    return state.mirror


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own; the programs of the newer Docker are taken along if they are there."""
    fetched = paths.home() / "docker-26-programs"
    made = tmp_path / "home"
    made.mkdir()
    if fetched.exists():
        (made / fetched.name).symlink_to(fetched)
    monkeypatch.setenv("DOCKYARD_HOME", str(made))
    return made


def left_by(engine, bridges):
    """What would remain of an engine: processes, bridges, rules, mounts, its socket."""
    marks = (str(paths.run_dir()), str(paths.home()))
    rules = netfilter.run("iptables-save")
    return [
        *(name for name, words in _processes() if any(mark in words for mark in marks)),
        *(bridge for bridge in bridges if bridge in netfilter.bridges()),
        *(bridge for bridge in bridges if bridge in rules),
        *(mark for mark in marks if mark in Path("/proc/self/mountinfo").read_text()),
        *([str(engine.socket)] if engine.socket.exists() else []),
    ]


def _processes():
    for process in psutil.process_iter():
        try:
            yield process.name(), " ".join(process.cmdline())
        except psutil.Error:
            continue


def use(address):
    """Pull through the course registry, run, publish, connect by name; return the version."""
    with closing(docker.DockerClient(base_url=address)) as client:
        client.images.pull("busybox", "latest")
        client.networks.create("own")
        web = client.containers.run(
            "busybox", "httpd -f -h /etc", detach=True, name="web", network="own",
            ports={"80/tcp": ("127.0.0.1", None)},
        )  # fmt: skip
        assert client.containers.run("busybox", "wget -q -O- http://web/passwd", network="own")
        web.reload()
        assert web.ports["80/tcp"]
        return client.version()


def look_into(address):
    """Make an image and read its layers as the layer explorer does; return its archive's parts."""
    dockerfile = (
        b"FROM busybox\nRUN mkdir /d && touch /d/a\nRUN rm -r /d && mkdir /d && touch /d/b\n"
    )
    with closing(docker.DockerClient(base_url=address)) as client:
        client.images.build(fileobj=io.BytesIO(dockerfile), tag="looked-into")
        found = layers_facts.stack(client, "looked-into", layers_facts.bases(client))
        third, second, base = found["layers"]
        assert base["label"] == "base busybox:latest"
        assert base["count"] > 0
        assert [each["path"] for each in second["entries"]] == ["/d/a"]
        assert {each["sign"] + each["path"] for each in third["entries"]} == {"+/d/b", "−/d/*"}
        assert not any(layer["problem"] for layer in found["layers"])
        with tarfile.open(fileobj=as_file(client.api.get_image("looked-into")), mode="r|") as tar:
            return tar.getnames()


def test_docker_26_runs_beside_this_systems_docker_and_leaves_nothing(mirror, home):
    engine = NewerEngine()
    try:
        address = engine.start(print, mirror=mirror).address
        assert use(address)["Version"].startswith("26.1.")
        # docker save writes an OCI layout since Docker 25.
        assert "oci-layout" in look_into(address)
        bridges = set(engine.bridges())
        assert len(bridges) == 2
        assert left_by(engine, bridges)
    finally:
        engine.stop(print)
    assert left_by(engine, bridges) == []


def test_podman_answers_as_docker_does_and_leaves_nothing(mirror, home):
    before = set(netfilter.bridges())
    chains = "NETAVARK" in netfilter.run("iptables-save")
    engine = PodmanEngine()
    try:
        version = use(engine.start(print, mirror=mirror, install=True).address)
        assert any("Podman" in part["Name"] for part in version["Components"])
        new = netfilter.bridges().keys() - before
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


def test_auto_never_takes_an_engine_for_comparison():
    assert providers.FOR_COMPARISON.keys() == {"docker-26", "podman"}
    assert not providers.FOR_COMPARISON.keys() & providers.PROVIDERS.keys()
    with pytest.raises(UsageError, match="no engine called"):
        providers.named("docker-27")
