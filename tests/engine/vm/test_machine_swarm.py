"""Two machines of one user form a swarm on the network that connects them."""

from __future__ import annotations

from contextlib import closing

import docker
import pytest

from dockyard.core import paths, wait
from dockyard.engine.vm import artifacts, guest_folder
from dockyard.engine.vm.machine import MachineEngine
from tests.support import machines

pytestmark = machines.MARKS


@pytest.fixture
def two(tmp_path):
    """Clients of two machines in two homes, each with its address on the LAN."""
    made = artifacts.folder()
    lan = tmp_path / "lan"
    lan.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKYARD_MACHINE_LAN", str(lan))
        patch.setenv("DOCKYARD_MACHINE_WAY", "uml")
        sides = []
        home = paths.home()
        for name in ("first", "second"):
            patch.setenv("DOCKYARD_HOME", str(home / f"machine-{name}"))
            machines.link_artifacts(made)
            engine = MachineEngine()
            client = docker.DockerClient(base_url=engine.start(print).address, timeout=180)
            client.api.import_image_from_data(machines.tools(tmp_path), repository="tools", tag="1")
            sides.append((engine, client, guest_folder.lan().address.partition("/")[0]))
        yield [(client, address) for _, client, address in sides]
        for name, (engine, client, _) in zip(("first", "second"), sides, strict=True):
            patch.setenv("DOCKYARD_HOME", str(home / f"machine-{name}"))
            client.close()
            engine.stop(print)


def test_containers_of_two_machines_in_a_swarm_reach_each_other(two):
    (manager, here), (worker, there) = two
    manager.swarm.init(advertise_addr=here, data_path_addr=here)
    try:
        token = manager.swarm.attrs["JoinTokens"]["Worker"]
        worker.swarm.join([f"{here}:2377"], token, advertise_addr=there, data_path_addr=there)
        nodes = wait.until(
            "both nodes to be ready",
            lambda: [
                node for node in manager.nodes.list() if node.attrs["Status"]["State"] == "ready"
            ][1:],
            60,
        )
        assert nodes
        network = manager.networks.create("across", driver="overlay", attachable=True)
        serve = ["httpd", "-f", "-p", "80", "-h", "/bin"]
        manager.containers.run("tools:1", serve, name="web", network="across", detach=True)
        fetch = ["sh", "-c", "wget -q -O - http://web/busybox | wc -c"]
        size = worker.containers.run("tools:1", fetch, network="across", remove=True)
        assert int(size) > 100_000
        manager.containers.get("web").remove(force=True)
        network.remove()
    finally:
        with closing(worker), closing(manager):
            worker.swarm.leave(force=True)
            manager.swarm.leave(force=True)
