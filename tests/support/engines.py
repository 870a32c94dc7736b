"""Use a daemon as the lessons do, and find what a stopped engine left behind."""

import io
import ipaddress
import json
import tarfile
from contextlib import closing
from pathlib import Path

import docker
import psutil

from dockyard.core import paths
from dockyard.engine import netfilter
from dockyard.views import layer_stacks
from dockyard.views.layer_archive import as_file


def left_by(engine, bridges):
    """What is left of an engine: processes, bridges, rules, mounts, cgroups and its socket."""
    marks = (str(paths.run_dir()), str(paths.home()))
    rules = netfilter.run("iptables-save") + netfilter.run("ip6tables-save")
    return [
        *(name for name, words in _processes() if any(mark in words for mark in marks)),
        *(bridge for bridge in bridges if bridge in host_bridges()),
        *(bridge for bridge in bridges if bridge in rules),
        *(mark for mark in marks if mark in Path("/proc/self/mountinfo").read_text()),
        *(str(folder) for folder in Path("/sys/fs/cgroup").glob(f"**/{engine.bridge}")),
        *([str(engine.socket)] if engine.socket.exists() else []),
    ]


def host_bridges():
    """The bridges of this network namespace by name, each with its IPv4 networks."""
    links = json.loads(netfilter.run("ip", "-json", "address", "show", "type", "bridge") or "[]")
    return {
        link["ifname"]: [
            ipaddress.IPv4Network(f"{info['local']}/{info['prefixlen']}", strict=False)
            for info in link["addr_info"]
            if info.get("family") == "inet"
        ]
        for link in links
        if "ifname" in link
    }


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


def build_and_explore(address):
    """Build an image and read its layers as the layer explorer does; return its archive's names."""
    dockerfile = (
        b"FROM busybox\nRUN mkdir /d && touch /d/a\nRUN rm -r /d && mkdir /d && touch /d/b\n"
    )
    with closing(docker.DockerClient(base_url=address)) as client:
        client.images.build(fileobj=io.BytesIO(dockerfile), tag="explored")
        found = layer_stacks.stack(client, "explored", layer_stacks.bases(client))
        third, second, base = found["layers"]
        assert base["label"] == "base busybox:latest"
        assert base["count"] > 0
        assert [each["path"] for each in second["entries"]] == ["/d/a"]
        assert {each["sign"] + each["path"] for each in third["entries"]} == {"+/d/b", "−/d/a"}
        assert not any(layer["problem"] for layer in found["layers"])
        with tarfile.open(fileobj=as_file(client.api.get_image("explored")), mode="r|") as tar:
            return tar.getnames()
